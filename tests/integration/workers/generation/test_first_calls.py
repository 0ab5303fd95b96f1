"""How a run begins: alone where nobody knows its provider, at once where others were just answered; and what a refusal
costs either way."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.workers.generation.first_calls import FirstCalls
from services.workers.generation.run_trust import SAME_REFUSALS, WARM_WINDOW, RunTrust
from services.workers.generation.work_task import work_generation
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.outside.providers.failures import FailureClass, LlmError
from shared.settings import Settings
from tests.support.interactive import eventually_async
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream_script import Script, bad_request
from tests.support.volume import VolumeBench

MOST_REFUSED = 20
WORKERS = 3
NO_CREDIT = Script(status=402, error={"message": "Insufficient Balance"}, delay_seconds=0.05)
SLOW = Script(delay_seconds=0.3)


async def warm(bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream) -> None:
    """Have the provider answer another run."""
    await work_generation(context, await bench.add(3))
    upstream.calls.clear()
    upstream.most_in_flight = 0


async def test_a_run_with_a_provider_that_nobody_has_asked_begins_with_one_call(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.default = SLOW
    await work_generation(context, await bench.add(12))
    assert upstream.calls[1].started_at >= (upstream.calls[0].ended_at or time.monotonic())


async def test_a_run_whose_provider_has_just_answered_another_begins_at_once(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    await warm(bench, context, upstream)
    upstream.default = SLOW
    await work_generation(context, await bench.add(12))
    first = upstream.calls[0].ended_at or 0.0
    assert sum(call.started_at < first for call in upstream.calls) == 12


async def test_another_worker_hears_that_a_provider_answers(
    bench: VolumeBench,
    context: WorkerContext,
    upstream: ScriptedUpstream,
    database_url: str,
    redis_url: str,
) -> None:
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    other = await open_context(Settings.model_validate(values), WorkerSettings())
    try:
        health = await other.healths.find(other.providers.all[0])
        assert not await health.has_answered_lately()
        await warm(bench, context, upstream)
        await eventually_async(health.has_answered_lately, what="the other worker to hear of the answers")
    finally:
        await other.close()


@pytest.mark.parametrize("refusal", [bad_request("max_tokens is too large: 100"), NO_CREDIT])
async def test_a_refusal_costs_few_calls_although_others_were_just_answered(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream, refusal: Script
) -> None:
    await warm(bench, context, upstream)
    upstream.default = refusal
    run_id = await bench.add(200)
    await work_generation(context, run_id)

    run = await bench.run(run_id)
    assert (run.status, run.failed, run.running) == ("paused", 0, 0)
    assert WARM_WINDOW <= len(upstream.calls) <= MOST_REFUSED
    upstream.calls.clear()
    await bench.set_columns(run_id, status="queued", status_reason=None)
    await work_generation(context, run_id)
    assert len(upstream.calls) <= 3  # a resumed run asks alone


async def test_different_refusals_cost_few_calls_too(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    await warm(bench, context, upstream)
    upstream.choose = lambda call: Script(status=400, error={"message": "no", "code": f"code {call.number}"})
    run_id = await bench.add(200)
    await work_generation(context, run_id)
    assert (await bench.run(run_id)).status == "paused"
    assert len(upstream.calls) <= MOST_REFUSED


@pytest.mark.parametrize(
    ("refusal", "is_warm"),
    [("one", True), ("many", False), pytest.param("no credit", True, marks=pytest.mark.slow)],
)
async def test_workers_that_come_to_a_run_at_once_are_refused_no_more_often_than_one(
    bench: VolumeBench,
    upstream: ScriptedUpstream,
    database_url: str,
    redis_url: str,
    refusal: str,
    is_warm: bool,
) -> None:
    values = Settings.model_validate(
        {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    )
    async with AsyncExitStack() as closing:
        workers = [await open_context(values, WorkerSettings()) for _ in range(WORKERS)]
        for worker in workers:
            closing.push_async_callback(worker.close)
            if is_warm:
                await warm(bench, worker, upstream)
        upstream.default = NO_CREDIT if refusal == "no credit" else bad_request("max_tokens is too large: 100")
        if refusal == "many":
            upstream.choose = lambda call: Script(status=400, error={"message": "no", "code": f"code {call.number}"})
        run_id = await bench.add(400)
        await asyncio.gather(*(work_generation(worker, run_id) for worker in workers))

    run = await bench.run(run_id)
    assert (run.status, run.failed, run.running) == ("paused", 0, 0)
    assert 1 <= len(upstream.calls) <= MOST_REFUSED


async def test_workers_that_come_to_a_run_at_once_all_help_when_its_first_calls_are_answered(
    bench: VolumeBench, upstream: ScriptedUpstream, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    upstream.default = Script(delay_seconds=0.2)
    run_id = await bench.add(300)
    async with AsyncExitStack() as closing:
        workers = []
        for name in ("mine", "theirs"):
            file = tmp_path / f"{name}.toml"
            file.write_text(f'[providers.upstream]\nbase_url = "{upstream.url}"\nheaders = {{ x-worker = "{name}" }}\n')
            values = {"database_url": database_url, "redis_url": redis_url, "providers_file": file}
            workers.append(await open_context(Settings.model_validate(values), WorkerSettings()))
            closing.push_async_callback(workers[-1].close)
        await asyncio.gather(*(work_generation(worker, run_id) for worker in workers))
    assert (await bench.run(run_id)).status == "succeeded"
    asked = [call for call in upstream.calls if call.is_chat or "prompt" in call.body]
    assert asked[1].started_at >= (asked[0].ended_at or time.monotonic())
    assert {call.headers["x-worker"] for call in asked} == {"mine", "theirs"}


def be_refused(trust: RunTrust) -> None:
    trust.take_failure(LlmError(FailureClass.INVALID_REQUEST, "max_tokens is too large", status=400))


async def test_whoever_asks_next_knows_what_was_refused_before(context: WorkerContext) -> None:
    trusts = [RunTrust(is_proven=False) for _ in range(3)]
    first, second, _ = (
        FirstCalls(context.redis, f"worker-{number}", "gen_1", trust) for number, trust in enumerate(trusts)
    )
    assert await first.may_ask()
    assert not await second.may_ask()
    for _ in range(SAME_REFUSALS - 1):
        be_refused(trusts[0])
    await first.renew()
    assert not await second.may_ask()
    await first.end()
    await asyncio.sleep(0.11)
    assert await second.may_ask()
    assert not trusts[1].recipe_is_refused
    be_refused(trusts[1])
    assert trusts[1].recipe_is_refused
    await second.end()

    resumed = FirstCalls(context.redis, "worker-3", "gen_1", trusts[2], is_fresh=True)
    assert await resumed.may_ask()
    assert not trusts[2].tell_refusals()  # what was wrong may have been changed


async def test_a_worker_that_died_in_its_turn_holds_the_others_up_for_a_lease(context: WorkerContext) -> None:
    dead = FirstCalls(context.redis, "dead", "gen_1", RunTrust(is_proven=False))
    assert await dead.may_ask()
    key = next(iter([key async for key in context.redis.scan_iter("sm:first-calls:*")]))
    assert 0 < await context.redis.pttl(key) <= 10_000
