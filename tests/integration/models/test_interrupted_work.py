"""A worker stops in the middle of a comparison or evaluation: the next one goes on, and no call is off the books."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select

from services.workers.models.compare_task import compare_models
from services.workers.models.evaluate_task import evaluate_model
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.settings import Settings
from shared.stores.db.models import Attempt, ModelComparison, ModelEvaluation
from shared.stores.db.repositories.evaluations import queue_evaluations
from tests.support.gateway import Mill, new_name, open_mill
from tests.support.gateway_fixtures import Stores
from tests.support.interactive import eventually_async
from tests.support.tuned_models import Tenant, open_tenant
from tests.support.upstream import MODEL, Call
from tests.support.upstream_script import Script, rate_limited, server_error

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def quiet_mill(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mill]:
    """A gateway without a worker."""
    folder = tmp_path_factory.mktemp("quiet")
    async with open_mill(folder, database_url=stores.database_url, redis_url=stores.redis_url) as mill:
        yield mill


@pytest_asyncio.fixture(loop_scope="module")
async def tenant(quiet_mill: Mill) -> AsyncIterator[Tenant]:
    """A project of its own."""
    async with open_tenant(quiet_mill) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def worker(quiet_mill: Mill) -> AsyncIterator[WorkerContext]:
    """The tools of a worker, in this process: so that it can be stopped between any two steps."""
    stores = {
        "database_url": quiet_mill.database_url,
        "redis_url": quiet_mill.redis_url,
        "upstream_url": quiet_mill.upstream.url,
        "object_store_dir": str(quiet_mill.objects_dir),
    }
    context = await open_context(Settings.model_validate(stores), WorkerSettings(http_port=None))
    yield context
    await context.close()


async def list_calls(tenant: Tenant, subject_id: str) -> list[Attempt]:
    """Return the calls on the books."""
    async with tenant.mill.database.transaction() as session:
        query = select(Attempt).where(Attempt.subject_id == subject_id).order_by(Attempt.number)
        return list((await session.scalars(query)).all())


async def stop_at_call(tenant: Tenant, work: "asyncio.Task[None]", seen: int, under_way: int) -> None:
    """Cancel a job, as a stopping worker does, once the provider has seen so many calls and so many of them wait there:
    all that the job makes at once, so that none is on its way, which the provider may or may not see."""

    async def all_wait() -> bool:
        calls = tenant.mill.upstream.calls
        return len(calls) == seen and sum(call.in_flight for call in calls) == under_way

    await eventually_async(all_wait, what=f"{seen} calls, {under_way} of them under way")
    work.cancel()
    await asyncio.wait({work})


# Two pairs at once: both sides of each are written, then each is judged. A pair that is done makes room for the next.
@pytest.mark.parametrize(("stopped_at", "seen", "under_way"), [(1, 4, 4), (4, 6, 3), (9, 10, 2), (14, 15, 2)])
async def test_a_stopped_comparison_goes_on_where_it_was(
    tenant: Tenant, worker: WorkerContext, stopped_at: int, seen: int, under_way: int
) -> None:
    upstream = tenant.mill.upstream
    body = {"model": MODEL, "against": MODEL, "prompts": [f"p{n}" for n in range(4)], "judge": {"model": MODEL}}
    comparison_id = (await tenant.client.post("/v1/model_comparisons", json=body)).json()["id"]
    upstream.calls.clear()
    gate = asyncio.Event()
    upstream.choose = lambda call: Script(text="A", gate=gate if len(upstream.calls) >= stopped_at else None)
    await stop_at_call(tenant, asyncio.create_task(compare_models(worker, comparison_id)), seen, under_way)
    upstream.choose = lambda call: Script(text="A")
    await compare_models(worker, comparison_id)
    async with tenant.mill.database.transaction() as session:
        row = await session.get_one(ModelComparison, comparison_id)
    assert (row.status, row.attempt) == ("succeeded", 2)
    assert row.result is not None
    assert (row.result["pairs"], row.result["ties"]) == (4, 4)
    calls = await list_calls(tenant, comparison_id)
    assert len(calls) == len(upstream.calls), "every call that the provider saw is on the books"
    assert [call.outcome for call in calls].count("unknown") == under_way
    assert {call.outcome for call in calls} == {"succeeded", "unknown"}
    assert [call.number for call in calls] == list(range(1, len(calls) + 1))


def score(call: Call) -> Script:
    """A provider that tells log probabilities: each character is a token."""
    prompt = call.body["prompt"]
    told = {
        "tokens": list(prompt),
        "text_offset": list(range(len(prompt))),
        "token_logprobs": [None, *([-0.5] * (len(prompt) - 1))],
        "top_logprobs": [None, *({letter: -0.5} for letter in prompt[1:])],
    }
    return Script(text=prompt, extra={"logprobs": told})


async def order_evaluation(tenant: Tenant, rows: int) -> str:
    """Queue an evaluation of the scripted model."""
    content = b"".join(json.dumps({"prompt": f"p{n} ->", "completion": " abc."}).encode() + b"\n" for n in range(rows))
    file_id = await tenant.upload(content)
    async with tenant.mill.database.transaction() as session:
        queued = await queue_evaluations(session, tenant.project_id, tenant.api_key_id, [(MODEL, file_id)])
    return queued[0]


async def read_evaluation(tenant: Tenant, evaluation_id: str) -> ModelEvaluation:
    """Return the row."""
    async with tenant.mill.database.transaction() as session:
        return await session.get_one(ModelEvaluation, evaluation_id)


async def test_an_evaluation_waits_out_a_provider_that_fails_for_a_while(tenant: Tenant, worker: WorkerContext) -> None:
    evaluation_id = await order_evaluation(tenant, rows=5)
    failures: list[Any] = [rate_limited(), server_error(), server_error(502)]
    tenant.mill.upstream.choose = lambda call: failures.pop() if failures else score(call)
    await evaluate_model(worker, evaluation_id)
    found = await read_evaluation(tenant, evaluation_id)
    assert (found.status, found.rows, found.tokens) == ("succeeded", 5, 25)
    assert (found.loss, found.token_accuracy) == (0.5, 1.0)
    outcomes = [call.outcome for call in await list_calls(tenant, evaluation_id)]
    assert (outcomes.count("failed"), outcomes.count("succeeded")) == (3, 5)


async def test_an_evaluation_is_taken_by_one_worker_only(tenant: Tenant, worker: WorkerContext) -> None:
    evaluation_id = await order_evaluation(tenant, rows=3)
    tenant.mill.upstream.choose = score
    await asyncio.gather(*(evaluate_model(worker, evaluation_id) for _ in range(4)))
    found = await read_evaluation(tenant, evaluation_id)
    assert (found.status, found.attempt) == ("succeeded", 1)
    assert len(await list_calls(tenant, evaluation_id)) == 3


async def test_rows_of_chats_and_deleted_files_cannot_be_scored(tenant: Tenant, worker: WorkerContext) -> None:
    chats = await tenant.upload(b'{"messages": [{"role": "user", "content": "a"}]}\n')
    gone = await tenant.upload(f'{{"prompt": "{new_name("p")}", "completion": "b"}}\n'.encode())
    async with tenant.mill.database.transaction() as session:
        cells = [(MODEL, chats), (MODEL, gone)]
        queued = await queue_evaluations(session, tenant.project_id, tenant.api_key_id, cells)
    assert (await tenant.client.delete(f"/v1/files/{gone}")).status_code == 200
    for evaluation_id in queued:
        await evaluate_model(worker, evaluation_id)
        found = await read_evaluation(tenant, evaluation_id)
        assert found.error is not None
        assert (found.status, found.error["code"]) == ("failed", "cannot_score")
