"""The same request twice, under one Idempotency-Key."""

import asyncio
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select, update

from shared.stores.db.models import Completion, Generation, IdempotencyKey
from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.interactive import eventually_async
from tests.support.stack import eventually
from tests.support.upstream import MODEL
from tests.support.upstream_script import Script, bad_request, story_for

pytestmark = pytest.mark.asyncio(loop_scope="module")


def ask(**changes: Any) -> dict[str, Any]:
    """A completion request with a prompt of its own."""
    return {"model": MODEL, "prompt": new_name("写一个故事"), **changes}


def run_of(name: str) -> dict[str, Any]:
    """A generation of two stories."""
    recipe = {"template": f"{name} {{{{ a }}}}", "attributes": {"a": ["x", "y"]}, "model": MODEL}
    return {"recipe": recipe}


def keyed() -> dict[str, str]:
    """A header with a fresh key."""
    return {"Idempotency-Key": new_name("key")}


async def test_a_repeated_run_is_the_first_run(mill: Mill, client: httpx2.AsyncClient) -> None:
    headers, body = keyed(), run_of(new_name("t"))
    first = await client.post("/v1/generations", json=body, headers=headers)
    again = await client.post("/v1/generations", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert len((await client.get("/v1/generations")).json()["data"]) == 1


async def test_a_key_cannot_be_used_for_another_request(mill: Mill, client: httpx2.AsyncClient) -> None:
    headers = keyed()
    await client.post("/v1/generations", json=run_of("a"), headers=headers)
    other = await client.post("/v1/generations", json=run_of("b"), headers=headers)
    assert_openai_error(other, 400, code="idempotency_key_reused")
    assert_openai_error(await client.post("/v1/streams", json=ask(), headers=headers), 400)
    assert len((await client.get("/v1/generations")).json()["data"]) == 1


async def test_keys_of_two_projects_are_two_keys(mill: Mill, client: httpx2.AsyncClient) -> None:
    headers, body = keyed(), run_of("a")
    mine = (await client.post("/v1/generations", json=body, headers=headers)).json()
    async with await mill.client(new_name("stranger")) as stranger:
        theirs = (await stranger.post("/v1/generations", json=body, headers=headers)).json()
    assert mine["id"] != theirs["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_a_key_that_cannot_be_kept_is_refused(key: str, mill: Mill, client: httpx2.AsyncClient) -> None:
    response = await client.post("/v1/generations", json=run_of("a"), headers={"Idempotency-Key": key})
    assert_openai_error(response, 400, param="Idempotency-Key")


async def test_a_repeated_completion_is_not_paid_twice(mill: Mill, client: httpx2.AsyncClient) -> None:
    headers, body = keyed(), ask()
    first = await client.post("/v1/completions", json=body, headers=headers)
    again = await client.post("/v1/completions", json=body, headers=headers)
    assert again.json() == first.json()
    assert again.headers["x-storymill-stream-id"] == first.headers["x-storymill-stream-id"]
    assert len(mill.upstream.calls_for(body["prompt"])) == 1


async def test_a_repeated_stream_is_told_again_from_the_start(mill: Mill, client: httpx2.AsyncClient) -> None:
    headers, body = keyed(), ask(stream=True)
    texts = []
    for _ in range(2):
        response = await client.post("/v1/completions", json=body, headers=headers)
        assert response.text.endswith("data: [DONE]\n\n")
        texts.append(join_text(response.text))
    assert texts == [story_for(body)] * 2
    assert len(mill.upstream.calls_for(body["prompt"])) == 1


def join_text(events: str) -> str:
    """Return the text of a streamed completion."""
    chunks = [line.removeprefix("data: ") for line in events.splitlines() if line.startswith("data: {")]
    return "".join(httpx2.Response(200, text=chunk).json()["choices"][0]["text"] for chunk in chunks)


async def test_two_requests_at_once_are_one_piece_of_work(mill: Mill, client: httpx2.AsyncClient) -> None:
    headers, body, gate = keyed(), ask(), asyncio.Event()
    mill.upstream.queue(Script(gate=gate))
    first = asyncio.create_task(client.post("/v1/completions", json=body, headers=headers))
    await eventually(lambda: bool(mill.upstream.calls_for(body["prompt"])), what="the call upstream")
    second = asyncio.create_task(client.post("/v1/completions", json=body, headers=headers))
    gate.set()
    answers = await asyncio.gather(first, second)
    assert answers[0].json() == answers[1].json()
    assert len(mill.upstream.calls_for(body["prompt"])) == 1


async def test_a_client_that_left_finds_its_text_when_it_comes_back(mill: Mill, client: httpx2.AsyncClient) -> None:
    headers, body, gate = keyed(), ask(), asyncio.Event()
    mill.upstream.queue(Script(gate=gate))
    asking = asyncio.create_task(client.post("/v1/completions", json=body, headers=headers))
    await eventually(lambda: bool(mill.upstream.calls_for(body["prompt"])), what="the call upstream")
    asking.cancel()
    gate.set()
    answer = await client.post("/v1/completions", json=body, headers=headers)
    assert answer.json()["choices"][0]["text"] == story_for(body)
    assert len(mill.upstream.calls_for(body["prompt"])) == 1


async def test_a_failed_request_may_be_tried_again_under_its_key(mill: Mill, client: httpx2.AsyncClient) -> None:
    for streamed in (False, True):
        headers, body = keyed(), ask(stream=streamed)
        mill.upstream.queue(bad_request())
        assert_openai_error(await client.post("/v1/completions", json=body, headers=headers), 400)
        again = await client.post("/v1/completions", json=body, headers=headers)
        assert again.status_code == 200
        assert "idempotent-replayed" not in again.headers


async def test_a_refused_request_may_be_corrected_under_its_key(mill: Mill, client: httpx2.AsyncClient) -> None:
    headers = keyed()
    assert_openai_error(await client.post("/v1/generations", json={"recipe": "nobody"}, headers=headers), 404)
    assert (await client.post("/v1/generations", json=run_of("a"), headers=headers)).status_code == 202


async def test_a_gateway_that_died_after_the_commit_made_one_run(mill: Mill, client: httpx2.AsyncClient) -> None:
    headers, body = keyed(), run_of(new_name("t"))
    made = (await client.post("/v1/generations", json=body, headers=headers)).json()
    async with mill.database.transaction() as session:  # what the database looks like if the answer was never kept
        forget = update(IdempotencyKey).where(IdempotencyKey.key == headers["Idempotency-Key"])
        await session.execute(forget.values(status_code=None, headers=None, body=None))
    again = await client.post("/v1/generations", json=body, headers=headers)
    assert (again.status_code, again.json()["id"]) == (202, made["id"])


async def test_a_gateway_that_died_before_the_commit_leaves_the_key_to_the_next(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    headers, body = keyed(), run_of(new_name("t"))
    made = (await client.post("/v1/generations", json=body, headers=headers)).json()
    mine = update(IdempotencyKey).where(IdempotencyKey.key == headers["Idempotency-Key"])
    async with mill.database.transaction() as session:  # a bare claim
        await session.execute(mine.values(status_code=None, headers=None, body=None, subject_id=None))
    waiting = await client.post("/v1/generations", json=body, headers=headers)
    assert_openai_error(waiting, 429, code="request_in_progress")
    assert float(waiting.headers["retry-after-ms"]) > 0
    async with mill.database.transaction() as session:
        await session.execute(mine.values(created_at=func.now() - func.make_interval(0, 0, 0, 0, 0, 2)))
    again = await client.post("/v1/generations", json=body, headers=headers)
    assert again.status_code == 202
    assert again.json()["id"] != made["id"]


async def test_a_ticket_is_never_kept(mill: Mill, client: httpx2.AsyncClient) -> None:
    headers = keyed()
    tickets = [(await client.post("/v1/tickets", headers=headers)).json()["ticket"] for _ in range(2)]
    assert tickets[0] != tickets[1]
    async with mill.database.transaction() as session:
        kept = await session.scalar(select(IdempotencyKey).where(IdempotencyKey.key == headers["Idempotency-Key"]))
    assert kept is None


async def test_a_repeated_cancel_and_recipe_are_answered_again(mill: Mill, client: httpx2.AsyncClient) -> None:
    recipe = {**run_of("a")["recipe"], "name": new_name("recipe")}
    headers = keyed()
    answers = [await client.post("/v1/recipes", json=recipe, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    stream_id = (await client.post("/v1/streams", json=ask())).json()["id"]
    headers = keyed()
    cancels = [await client.post(f"/v1/streams/{stream_id}/cancel", headers=headers) for _ in range(2)]
    assert cancels[0].content == cancels[1].content

    async def all_over() -> bool:
        async with mill.database.transaction() as session:
            open_rows = select(func.count()).select_from(Completion).where(Completion.status.in_(["queued", "running"]))
            open_runs = select(func.count()).select_from(Generation).where(Generation.status.in_(["queued", "running"]))
            return not await session.scalar(open_rows) and not await session.scalar(open_runs)

    await eventually_async(all_over, timeout_seconds=60, what="everything that this module started to end")
