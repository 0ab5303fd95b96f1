"""Batches with the official SDK, from upload to output, with a real worker behind the gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx2
import openai
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from sqlalchemy import select, text

from shared.stores.db.models import Attempt, Batch, Generation, LedgerEntry
from tests.support.batches import (
    CHAT,
    TEXT,
    create,
    encode_lines,
    make_line,
    open_sdk,
    read_lines,
    upload,
    wait_for,
)
from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.interactive import eventually_async
from tests.support.reaper import send_beats
from tests.support.upstream import MODEL, Call
from tests.support.upstream_script import Script, bad_request, prompt_of, story_for

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module", autouse=True)
async def _beating(mill: Mill) -> AsyncIterator[None]:
    """What Celery beat sends."""
    beat = asyncio.create_task(send_beats(mill.redis_url))
    yield
    beat.cancel()
    with suppress(asyncio.CancelledError):
        await beat


@pytest_asyncio.fixture(loop_scope="module")
async def sdk(mill: Mill) -> AsyncIterator[openai.AsyncOpenAI]:
    """The SDK with a key of a project of its own."""
    async with open_sdk(mill, new_name("batches")) as made:
        yield made


async def test_a_file_of_chats_comes_back_as_a_file_of_answers(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    mark = new_name("批")
    tool = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}

    def choose(call: Call) -> Script | None:
        prompt = prompt_of(call.body)
        if prompt == f"{mark} refused":
            return bad_request("this one is refused")
        return Script(text="", extra={"tool_calls": [tool]}) if prompt == f"{mark} tool" else None

    mill.upstream.choose = choose
    lines = [make_line(f"id-{number}", f"{mark} {number}", temperature=0.5, user=None) for number in range(30)]
    lines += [make_line("tool", f"{mark} tool"), make_line("refused", f"{mark} refused")]
    batch = await create(sdk, encode_lines(lines), metadata={"purpose": "test"})
    assert (batch.object, batch.status, batch.metadata) == ("batch", "validating", {"purpose": "test"})
    assert batch.request_counts is not None
    assert batch.expires_at is not None
    assert batch.expires_at - batch.created_at == 24 * 3600

    done = await wait_for(sdk, batch.id)
    assert done.status == "completed"
    assert done.request_counts is not None
    assert done.request_counts.model_dump() == {"total": 32, "completed": 31, "failed": 1}
    assert done.created_at <= done.in_progress_at <= done.finalizing_at <= done.completed_at  # type: ignore[operator]
    assert (done.failed_at, done.expired_at, done.cancelled_at, done.errors) == (None, None, None, None)
    assert done.model == MODEL

    answers = await read_lines(sdk, done.output_file_id)
    assert list(answers) == [*(f"id-{number}" for number in range(30)), "tool"], "in the order of the requests"
    first = answers["id-0"]
    assert first["error"] is None
    assert first["response"]["status_code"] == 200
    body = openai.types.chat.ChatCompletion.model_validate(first["response"]["body"])
    assert body.choices[0].message.content == story_for(lines[0]["body"])
    assert answers["tool"]["response"]["body"]["choices"][0]["message"]["tool_calls"][0]["id"] == "call_1"
    assert answers["tool"]["response"]["body"]["choices"][0]["message"]["content"] is None
    told = [answer["response"]["body"]["usage"] for answer in answers.values()]
    assert done.usage is not None
    assert done.usage.total_tokens == sum(usage["total_tokens"] for usage in told)

    failed = await read_lines(sdk, done.error_file_id)
    assert list(failed) == ["refused"]
    assert failed["refused"]["response"]["status_code"] == 400
    assert failed["refused"]["response"]["body"]["error"]["message"].endswith(": this one is refused")
    sent = [call.body for call in mill.upstream.calls if prompt_of(call.body).startswith(mark)]
    assert len(sent) == 32
    assert all("user" not in asked and asked["stream"] is False for asked in sent)
    shown = await sdk.files.retrieve(str(done.output_file_id))
    assert (shown.purpose, shown.filename) == ("batch_output", f"{batch.id}_output.jsonl")


async def test_its_calls_are_on_the_books_like_any_others(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    lines = [make_line(str(number), f"{new_name('book')} {number}", TEXT) for number in range(4)]
    done = await wait_for(sdk, (await create(sdk, encode_lines(lines), TEXT)).id)
    answers = await read_lines(sdk, done.output_file_id)
    assert [answer["response"]["body"]["object"] for answer in answers.values()] == ["text_completion"] * 4
    assert answers["0"]["response"]["body"]["choices"][0]["text"] == story_for(lines[0]["body"])
    async with mill.database.transaction() as session:
        row = await session.get_one(Batch, done.id)
        attempts = list(await session.scalars(select(Attempt).where(Attempt.generation_id == row.generation_id)))
        entries = list(await session.scalars(select(LedgerEntry).where(LedgerEntry.generation_id == row.generation_id)))
        run = await session.get_one(Generation, row.generation_id)
    assert [attempt.outcome for attempt in attempts] == ["succeeded"] * 4
    assert {entry.attempt_id for entry in entries} == {attempt.id for attempt in attempts}
    assert done.usage is not None
    assert run.prompt_tokens + run.completion_tokens == done.usage.total_tokens


GOOD = make_line("good", "a")
BAD_FILES: dict[str, tuple[bytes, list[tuple[str, int | None]]]] = {
    "nothing": (b"\n \n", [("empty_file", None)]),
    "no JSON": (encode_lines([GOOD]) + b"\n{oops\n[1]\n", [("invalid_json_line", 3), ("invalid_json_line", 4)]),
    "doubles": (encode_lines([GOOD, GOOD]), [("duplicate_custom_id", 2)]),
    "another model": (encode_lines([GOOD, make_line("2", "b", model="other")]), [("mismatched_model", 2)]),
    "no such model": (encode_lines([make_line("1", "b", model="nobody")]), [("model_not_found", 1)]),
    "frames": (
        encode_lines([{**GOOD, "method": "GET"}, {**GOOD, "custom_id": "2", "url": TEXT}, {"custom_id": "3"}]),
        [
            *(("invalid_method", 1), ("invalid_url", 2)),
            *(("invalid_method", 3), ("invalid_url", 3), ("missing_required_parameter", 3)),
        ],
    ),
    "bodies": (
        encode_lines([make_line("1", "a", stream=True), make_line("2", "a", n=2), make_line("3", "a", messages=[])]),
        [("unsupported_parameter", 1), ("unsupported_parameter", 2), ("missing_required_parameter", 3)],
    ),
    "no name": (encode_lines([{**GOOD, "custom_id": None}]), [("missing_required_parameter", 1)]),
}


@pytest.mark.parametrize("what", BAD_FILES)
async def test_a_bad_file_is_told_line_by_line_before_any_call(mill: Mill, sdk: openai.AsyncOpenAI, what: str) -> None:
    content, wanted = BAD_FILES[what]
    calls = len(mill.upstream.calls)
    done = await wait_for(sdk, (await create(sdk, content)).id)
    assert (done.status, done.output_file_id, done.error_file_id) == ("failed", None, None)
    assert done.failed_at is not None
    assert done.errors is not None
    assert done.errors.object == "list"
    assert [(error.code, error.line) for error in done.errors.data or []] == wanted
    assert all(error.message for error in done.errors.data or [])
    assert len(mill.upstream.calls) == calls


async def test_a_hundred_errors_are_listed_and_the_rest_is_counted(sdk: openai.AsyncOpenAI) -> None:
    done = await wait_for(sdk, (await create(sdk, b"{\n" * 130)).id)
    assert done.errors is not None
    told = done.errors.data or []
    assert [error.line for error in told] == [*range(1, 101), None]
    assert told[-1].message == "30 more errors are not listed."


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"endpoint": "/v1/embeddings"}, "endpoint"),
        ({"endpoint": "/v1/responses"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 3600}}, "output_expires_after"),
        ({"metadata": {"a": "b" * 513}}, "metadata.a"),
    ],
)
async def test_what_no_batch_can_be_is_refused_at_once(
    sdk: openai.AsyncOpenAI, client: httpx2.AsyncClient, mill: Mill, changes: dict[str, Any], param: str
) -> None:
    files = {"file": ("r.jsonl", encode_lines([GOOD]))}
    file_id = (await client.post("/v1/files", files=files, data={"purpose": "batch"})).json()["id"]
    body = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h", **changes}
    assert_openai_error(await client.post("/v1/batches", json=body), 400, param=param)
    assert (await client.get("/v1/batches")).json()["data"] == []


async def test_a_file_for_something_else_is_refused(client: httpx2.AsyncClient, mill: Mill) -> None:
    files = {"file": ("r.jsonl", encode_lines([GOOD]))}
    file_id = (await client.post("/v1/files", files=files, data={"purpose": "fine-tune"})).json()["id"]
    body = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h"}
    assert_openai_error(await client.post("/v1/batches", json=body), 400, code="invalid_file_purpose")
    body["input_file_id"] = "file-nobody"
    assert_openai_error(await client.post("/v1/batches", json=body), 404, code="file_not_found")


async def test_a_cancelled_batch_keeps_what_was_paid(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    gate, mark = asyncio.Event(), new_name("halt")
    calls = lambda: [call for call in mill.upstream.calls if prompt_of(call.body).startswith(mark)]  # noqa: E731

    def choose(call: Call) -> Script | None:
        if not prompt_of(call.body).startswith(mark):
            return None
        return Script(gate=gate) if len(calls()) > 5 else Script()

    mill.upstream.choose = choose
    lines = [make_line(f"id-{number}", f"{mark} {number}") for number in range(400)]
    batch = await create(sdk, encode_lines(lines))
    await eventually_async(lambda: has(len(calls()) > 10), what="calls to be under way")
    with pytest.raises(openai.BadRequestError):
        await sdk.with_options(max_retries=0).files.delete(batch.input_file_id)
    cancelling = await sdk.batches.cancel(batch.id)
    assert (cancelling.status, cancelling.cancelled_at) == ("cancelling", None)
    assert cancelling.cancelling_at is not None
    asked = len(calls())
    gate.set()
    done = await wait_for(sdk, batch.id)
    assert (done.status, done.completed_at) == ("cancelled", None)
    assert done.cancelled_at is not None
    assert done.request_counts is not None
    answers, rest = await read_lines(sdk, done.output_file_id), await read_lines(sdk, done.error_file_id)
    assert len(answers) == done.request_counts.completed == len(calls()) <= asked + 20
    assert len(answers) + len(rest) == done.request_counts.total == 400
    assert {line["error"]["code"] for line in rest.values()} == {"batch_cancelled"}
    assert {line["response"] for line in rest.values()} == {None}
    again = await sdk.batches.cancel(batch.id)
    assert again.status == "cancelled"
    assert (await sdk.files.delete(batch.input_file_id)).deleted


async def has(condition: bool) -> bool:
    """Return a condition, for who waits for it."""
    return condition


async def test_what_is_not_answered_in_time_is_told_as_expired(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    gate, mark = asyncio.Event(), new_name("late")
    mill.upstream.choose = lambda call: Script(gate=gate) if prompt_of(call.body).startswith(mark) else None
    lines = [make_line(f"id-{number}", f"{mark} {number}") for number in range(60)]
    batch = await create(sdk, encode_lines(lines))
    await wait_for(sdk, batch.id, "in_progress")
    await eventually_async(
        lambda: has(any(prompt_of(call.body).startswith(mark) for call in mill.upstream.calls)), what="a call"
    )
    async with mill.database.transaction() as session:
        await session.execute(text("update batch set expires_at = now() where id = :id"), {"id": batch.id})
    assert (await wait_for(sdk, batch.id, "finalizing")).status == "finalizing"
    gate.set()
    done = await wait_for(sdk, batch.id)
    assert done.status == "expired"
    assert done.expired_at is not None
    answers, rest = await read_lines(sdk, done.output_file_id), await read_lines(sdk, done.error_file_id)
    assert len(answers) + len(rest) == 60
    assert {line["error"]["code"] for line in rest.values()} == {"batch_expired"}
    with pytest.raises(openai.BadRequestError):
        await sdk.with_options(max_retries=0).batches.cancel(batch.id)


LOSE_WORKER = text("""
    with run as (
        update generation set running = 0 from batch
        where batch.id = :id and generation.id = batch.generation_id returning generation.id)
    update story set status = 'queued', worker_id = null, lease_until = null, not_before = now() + interval '1 h'
    from run where story.generation_id = run.id
""")
SETTLE = text("""
    with answered as (
        update story set status = 'succeeded', text = 'late', finish_reason = 'stop', finished_at = now()
        from batch where batch.id = :id and story.generation_id = batch.generation_id
        returning story.generation_id)
    update generation set succeeded = 1 from answered where generation.id = answered.generation_id
""")


async def is_claimed_to_end(mill: Mill, batch_id: str) -> bool:
    """Say whether a worker has taken a batch to write its answers, and perhaps has."""
    async with mill.database.transaction() as session:
        statement = text("select attempt >= 2 from batch where id = :id")
        return bool(await session.scalar(statement, {"id": batch_id}))


async def test_an_answer_that_is_settled_while_a_batch_ends_is_in_its_files(
    mill: Mill, sdk: openai.AsyncOpenAI
) -> None:
    """Its worker was lost, so that the end did not wait for the call; what comes later still changes nothing."""
    gate, mark = asyncio.Event(), new_name("after")
    mill.upstream.choose = lambda call: Script(gate=gate) if prompt_of(call.body).startswith(mark) else None
    batch = await create(sdk, encode_lines([make_line("1", mark)]))
    await eventually_async(
        lambda: has(any(prompt_of(call.body).startswith(mark) for call in mill.upstream.calls)), what="a call"
    )
    async with mill.database.transaction() as session:
        await session.execute(LOSE_WORKER, {"id": batch.id})
    async with mill.database.transaction() as settling:
        lock = "select 1 from story join batch using (generation_id) where batch.id = :id for update of story"
        await settling.execute(text("set local idle_in_transaction_session_timeout = 0"))
        await settling.execute(text(lock), {"id": batch.id})
        async with mill.database.transaction() as session:
            await session.execute(text("update batch set expires_at = now() where id = :id"), {"id": batch.id})
        await eventually_async(lambda: is_claimed_to_end(mill, batch.id), what="the end to begin")
        await asyncio.sleep(2)
        assert (await sdk.batches.retrieve(batch.id)).status == "finalizing"
        await settling.execute(SETTLE, {"id": batch.id})
    done = await wait_for(sdk, batch.id)
    gate.set()
    assert done.request_counts is not None
    assert (done.status, done.request_counts.completed) == ("completed", 1)
    assert list(await read_lines(sdk, done.output_file_id)) == ["1"]


async def test_the_same_order_twice_is_one_batch(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    file_id = await upload(sdk, encode_lines([make_line("1", new_name("once"))]))
    order: dict[str, Any] = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h"}
    key = {"Idempotency-Key": new_name("key")}
    made = [await sdk.batches.create(**order, extra_headers=key) for _ in range(2)]
    assert made[0].id == made[1].id
    assert [batch.id async for batch in sdk.batches.list()] == [made[0].id]
    await wait_for(sdk, made[0].id)


async def test_a_project_sees_its_own_batches_page_by_page_and_nothing_else_of_them(
    mill: Mill, sdk: openai.AsyncOpenAI, client: httpx2.AsyncClient
) -> None:
    made = [(await create(sdk, encode_lines([make_line("1", new_name("p"))]))).id for _ in range(3)]
    page = await sdk.batches.list(limit=2)
    assert [batch.id for batch in page.data] == made[:0:-1]
    assert page.has_next_page()
    assert [batch.id async for batch in sdk.batches.list(limit=2)] == made[::-1]
    async with open_sdk(mill, new_name("stranger")) as other:
        assert [batch.id async for batch in other.batches.list()] == []
        for ask in (other.batches.retrieve, other.batches.cancel):
            with pytest.raises(openai.NotFoundError):
                await ask(made[0])
        mine = (await sdk.batches.retrieve(made[0])).input_file_id
        with pytest.raises(openai.NotFoundError):
            await other.batches.create(input_file_id=mine, endpoint=CHAT, completion_window="24h")
    done = [await wait_for(sdk, batch_id) for batch_id in made]
    async with mill.database.transaction() as session:
        run_id = (await session.get_one(Batch, done[0].id)).generation_id
    headers = {"Authorization": f"Bearer {sdk.api_key}"}
    assert (await client.get("/v1/generations", headers=headers)).json()["data"] == []
    assert (await client.get("/v1/stories", headers=headers)).json()["data"] == []
    assert (await client.get(f"/v1/generations/{run_id}", headers=headers)).status_code == 404


async def test_a_webhook_tells_of_the_end(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    async with mill.database.transaction() as session:
        project = await session.scalar(
            text("select project_id from api_key where id = :id"),
            {"id": next(value for name, value in mill.key_ids.items() if mill.keys[name] == sdk.api_key)},
        )
        statement = """
            insert into webhook_endpoint (id, project_id, name, url, event_types, signing_secret)
            values (:id, :project, 'n', 'https://nobody.test/', :types, 'whsec_AAAA')"""
        types = ["batch.completed", "batch.failed"]
        await session.execute(text(statement), {"id": new_name("we_"), "project": project, "types": types})
    good = await wait_for(sdk, (await create(sdk, encode_lines([make_line("1", new_name("hook"))]))).id)
    bad = await wait_for(sdk, (await create(sdk, b"{")).id)
    async with mill.database.transaction() as session:
        told = await session.execute(
            text("select event_type, payload -> 'data' ->> 'id' from outbox where project_id = :id order by id"),
            {"id": project},
        )
        assert [tuple(row) for row in told] == [("batch.completed", good.id), ("batch.failed", bad.id)]


async def test_refusals_of_some_lines_stop_no_others(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    """A recipe whose first rows are all refused is paused; the lines of a batch have no recipe in common."""
    mark = new_name("odd")
    mill.upstream.choose = lambda call: bad_request() if prompt_of(call.body).startswith(f"{mark} no") else None
    lines = [make_line(f"no-{number}", f"{mark} no {number}") for number in range(20)]
    lines += [make_line(f"yes-{number}", f"{mark} yes {number}") for number in range(5)]
    done = await wait_for(sdk, (await create(sdk, encode_lines(lines))).id)
    assert done.request_counts is not None
    assert (done.status, done.request_counts.completed, done.request_counts.failed) == ("completed", 5, 20)
    failed = await read_lines(sdk, done.error_file_id)
    assert json.dumps(failed["no-0"]["response"]["body"]["error"]["param"]) == '"max_tokens"'


async def test_answers_that_could_not_be_written_many_times_are_written_later(
    mill: Mill, sdk: openai.AsyncOpenAI
) -> None:
    """As after a minute of a full disk: each claim of the second half ended with a defect."""
    batch = await wait_for(sdk, (await create(sdk, encode_lines([make_line("1", new_name("disk"))]))).id)
    async with Redis.from_url(mill.redis_url) as redis:
        await redis.hset(f"deaths:batch:{batch.id}-finalizing", mapping={"count": 5, "defect": "OSError"})
    async with mill.database.transaction() as session:
        reopen = """
            update batch set status = 'finalizing', finished_at = null, output_file_id = null, attempt = 8
            where id = :id"""
        await session.execute(text(reopen), {"id": batch.id})

    async def is_put_off() -> bool:
        async with mill.database.transaction() as session:
            statement = """
                select status <> 'finalizing' or (worker_id is null and lease_until > now() + interval '2 minutes')
                from batch where id = :id"""
            return bool(await session.scalar(text(statement), {"id": batch.id}))

    await eventually_async(is_put_off, timeout_seconds=60, what="the batch to be put off")
    assert (await sdk.batches.retrieve(batch.id)).status == "finalizing"
    async with mill.database.transaction() as session:
        await session.execute(text("update batch set lease_until = now() where id = :id"), {"id": batch.id})
    done = await wait_for(sdk, batch.id)
    assert done.status == "completed"
    assert list(await read_lines(sdk, done.output_file_id)) == ["1"]


async def test_a_killed_worker_costs_no_answer_and_at_most_the_calls_it_had_under_way(
    mill: Mill, sdk: openai.AsyncOpenAI
) -> None:
    gate, mark = asyncio.Event(), new_name("killed")
    calls = lambda: [call for call in mill.upstream.calls if prompt_of(call.body).startswith(mark)]  # noqa: E731

    def choose(call: Call) -> Script | None:
        if not prompt_of(call.body).startswith(mark):
            return None
        return Script(gate=gate) if len(calls()) > 20 else Script()

    mill.upstream.choose = choose
    lines = [make_line(f"id-{number}", f"{mark} {number}") for number in range(100)]
    batch = await create(sdk, encode_lines(lines))
    await eventually_async(lambda: has(len(calls()) > 25), what="calls to be under way")
    assert mill.worker is not None
    mill.worker.kill()
    under_way = sum(call.status is None for call in calls())
    gate.set()
    mill.worker.launch()
    done = await wait_for(sdk, batch.id, timeout_seconds=120)
    assert done.request_counts is not None
    assert (done.status, done.request_counts.completed) == ("completed", 100)
    answers = await read_lines(sdk, done.output_file_id)
    assert list(answers) == [line["custom_id"] for line in lines]
    for line in lines:
        text = answers[line["custom_id"]]["response"]["body"]["choices"][0]["message"]["content"]
        assert text == story_for(line["body"])
    assert len(calls()) <= 100 + under_way + 20, "answers that were not settled yet are asked for once more"
