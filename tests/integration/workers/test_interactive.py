"""Interactive completions, from the queued row to the end frame, by a job body on a real loop, Postgres and Redis."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from services.workers.interactive.desk import InteractiveDesk
from services.workers.interactive.lease import COMPLETION_ROWS
from services.workers.interactive.task import run_completion
from services.workers.leases.death_count import DeathCount
from services.workers.leases.deaths import MOST_DEATHS, say_worker_died
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.contracts.stream.fold import Fold
from shared.settings import Settings
from shared.stores.db.repositories.completions import request_cancel
from shared.streams.control import publish_cancel
from tests.support.interactive import InteractiveBench, eventually_async, open_bench
from tests.support.stack import eventually
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream_script import Script, bad_request, rate_limited, server_error, story_for

PRICED = """
[providers.upstream.prices."*"]
input_usd_per_million = 1.0
output_usd_per_million = 2.0
"""


@pytest.fixture
async def bench(database_url: str, redis_url: str) -> AsyncIterator[InteractiveBench]:
    async with open_bench(database_url, redis_url) as bench:
        yield bench


@pytest.fixture
async def context(
    database_url: str, redis_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> AsyncIterator[WorkerContext]:
    prices = tmp_path / "providers.toml"
    prices.write_text(PRICED)
    settings = Settings.model_validate(
        {
            "database_url": database_url,
            "redis_url": redis_url,
            "upstream_url": upstream.url,
            "providers_file": prices,
            "OPENAI_API_KEY": "sk-test",
        }
    )
    context = await open_context(settings, WorkerSettings(patience_seconds=20))
    desk = await context.part(InteractiveDesk)
    await desk.wait_until_listening()
    yield context
    await context.close()


async def test_a_text_is_streamed_committed_and_ended(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    [row_id] = await bench.add("唐朝的英雄", max_tokens=100)
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert (row.status, row.text) == ("succeeded", story_for({"prompt": "唐朝的英雄"}))
    assert (row.finish_reason, row.upstream_model, row.attempt) == ("stop", "scripted-1", 1)
    await bench.assert_stream_equals_row(row)
    [attempt] = await bench.attempts(row_id)
    assert (attempt.outcome, attempt.upstream_request_id) == ("succeeded", "upstream-0")
    assert attempt.completion_tokens == row.completion_tokens == upstream.calls[0].tokens_sent
    [entry] = await bench.ledger(row_id)
    assert float(entry.cost_usd or 0) == pytest.approx(
        (attempt.prompt_tokens or 0) / 1e6 + 2 * (attempt.completion_tokens or 0) / 1e6
    )
    assert attempt.reserved_usd is not None
    assert attempt.spent_usd is not None
    assert attempt.reserved_usd >= attempt.spent_usd


async def test_a_chat_keeps_its_tool_calls_beside_the_text(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    tool_calls = [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    upstream.default = Script(text="好", extra={"tool_calls": tool_calls}, finish_reason="tool_calls")
    [row_id] = await bench.add("说", kind="chat")
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert (row.text, row.extra) == ("好", {"deltas": [{"tool_calls": tool_calls}], "at": [0]})
    await bench.assert_stream_equals_row(row)


async def test_a_second_message_for_the_same_row_does_nothing(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    [row_id] = await bench.add("一次")
    await asyncio.gather(*(run_completion(context, row_id) for _ in range(5)))
    await run_completion(context, row_id)
    assert len(upstream.calls) == 1
    assert (await bench.row(row_id)).attempt == 1


@pytest.mark.parametrize(
    ("script", "failure_class"),
    [
        (rate_limited(), "rate_limited"),
        (server_error(), "server_error"),
        (Script(cut_after_tokens=0), "cut_connection"),
        (Script(cut_after_tokens=3), "cut_connection"),
        (Script(cut_after_tokens=3, error={"message": "overloaded"}), "server_error"),
    ],
)
async def test_a_passing_failure_is_tried_again_as_a_new_attempt(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream, script: Script, failure_class: str
) -> None:
    upstream.queue(script, script)
    [row_id] = await bench.add("再试")
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert (row.status, row.attempt, row.text) == ("succeeded", 3, story_for({"prompt": "再试"}))
    await bench.assert_stream_equals_row(row)
    attempts = await bench.attempts(row_id)
    assert [attempt.outcome for attempt in attempts] == ["failed", "failed", "succeeded"]
    assert attempts[0].failure_class == failure_class
    assert len(upstream.calls) == len(attempts)
    booked = {entry.attempt_id for entry in await bench.ledger(row_id)}
    assert (attempts[0].id in booked) == (failure_class == "cut_connection")


async def test_a_wait_that_the_provider_asks_for_is_kept(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.queue(rate_limited(0.8))
    [row_id] = await bench.add("等")
    await run_completion(context, row_id)
    assert upstream.calls[1].started_at - upstream.calls[0].started_at >= 0.8


async def test_a_failure_that_lasts_ends_the_row_with_the_providers_message(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.default = bad_request("max_tokens is too large")
    [row_id] = await bench.add("错")
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert row.status == "failed"
    assert row.error is not None
    assert (row.error["status"], row.error["type"], row.error["param"]) == (400, "invalid_request_error", "max_tokens")
    assert "max_tokens is too large" in row.error["message"]
    assert len(upstream.calls) == 1
    await bench.assert_stream_equals_row(row)


@pytest.mark.slow
async def test_retries_are_used_up_in_the_end(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.default = rate_limited(0.01)
    [row_id] = await bench.add("总是忙")
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert row.error is not None
    assert (row.status, row.error["status"]) == ("failed", 429)
    assert len(upstream.calls) == len(await bench.attempts(row_id)) == row.attempt
    await bench.assert_stream_equals_row(row)


async def test_a_model_that_nobody_serves_fails_without_a_call(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    [row_id] = await bench.add("谁", model="nobody")
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert row.error is not None
    assert (row.status, row.error["status"], row.error["code"]) == ("failed", 404, "model_not_found")
    assert not upstream.calls
    await bench.assert_stream_equals_row(row)


@pytest.mark.parametrize("tokens_before", [0, 4])
async def test_a_cancel_closes_the_upstream_socket_and_keeps_the_partial_text(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream, tokens_before: int
) -> None:
    upstream.default = Script(gate=asyncio.Event(), tokens_before_gate=tokens_before)
    [row_id] = await bench.add("取消")
    job = asyncio.create_task(run_completion(context, row_id))
    await eventually(lambda: upstream.calls and upstream.calls[0].tokens_sent == tokens_before)
    cancelled_at = time.monotonic()
    await bench.cancel(row_id)
    closed_at = await eventually(lambda: upstream.calls[0].closed_by_client_at)
    assert closed_at - cancelled_at < 1.0
    await job
    row = await bench.row(row_id)
    assert (row.status, row.finish_reason) == ("cancelled", None)
    assert row.text == story_for({"prompt": "取消"})[: tokens_before * 2]
    await bench.assert_stream_equals_row(row)
    [attempt] = await bench.attempts(row_id)
    assert (attempt.outcome, attempt.failure_class) == ("failed", "cancelled")
    assert len(await bench.ledger(row_id)) == 1


async def test_a_cancel_frame_alone_is_recorded_by_the_worker(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(gate=asyncio.Event(), tokens_before_gate=1)
    [row_id] = await bench.add("帧")
    job = asyncio.create_task(run_completion(context, row_id))
    await eventually(lambda: upstream.calls and upstream.calls[0].tokens_sent)
    await publish_cancel(bench.redis, row_id)
    await job
    assert (await bench.row(row_id)).status == "cancelled"


async def test_a_cancel_that_no_message_carried_is_found_on_the_row(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(gate=asyncio.Event(), tokens_before_gate=1)
    [row_id] = await bench.add("行")
    job = asyncio.create_task(run_completion(context, row_id))
    await eventually(lambda: upstream.calls and upstream.calls[0].tokens_sent)
    async with bench.database.transaction() as session:
        await request_cancel(session, bench.project_id, [row_id])
    await job
    assert (await bench.row(row_id)).status == "cancelled"


async def test_a_queued_row_ends_at_once_when_it_is_cancelled(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    [row_id] = await bench.add("排队")
    await bench.cancel(row_id)
    [row] = await bench.wait_until_over(row_id, timeout_seconds=5)
    assert (row.status, row.text) == ("cancelled", "")
    await bench.assert_stream_equals_row(row)
    await run_completion(context, row_id)
    assert not upstream.calls


async def test_a_row_of_a_dead_worker_keeps_its_partial_text_when_it_is_cancelled(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    [row_id] = await bench.add("已故")
    async with bench.database.transaction() as session:
        await session.execute(
            text(
                "update completion set status = 'running', attempt = 1, text = '从前有一个', text_seq = 4, "
                "lease_until = now() - interval '1 s'"
            )
        )
    await bench.cancel(row_id)
    [row] = await bench.wait_until_over(row_id, timeout_seconds=5)
    assert (row.status, row.text, row.attempt) == ("cancelled", "从前有一个", 2)
    await bench.assert_stream_equals_row(row)
    assert not upstream.calls


async def test_a_text_that_brings_its_workers_down_is_given_up(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    [row_id] = await bench.add("毒")
    async with bench.database.transaction() as session:
        await session.execute(text("update completion set attempt = :attempt"), {"attempt": MOST_DEATHS})
    await context.catalog.list_models()
    for _ in range(MOST_DEATHS):
        await DeathCount(context.redis, COMPLETION_ROWS.name, row_id).begin()
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert row.error is not None
    assert (row.status, row.error["status"]) == ("failed", 502)
    assert row.error["message"] == say_worker_died(MOST_DEATHS)
    assert all(attempt.spent_usd == 0 for attempt in await bench.attempts(row_id)), "its last call has not left"
    assert not upstream.calls
    await bench.assert_stream_equals_row(row)


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize(
    ("request_body", "status"),
    [
        ({"max_completion_tokens": "many"}, "succeeded"),
        ({"max_tokens": 10**18}, "succeeded"),
        ({"messages": ["x", None, 3]}, "succeeded"),
        ({"prompt": [10**30] * 3, "max_tokens": True}, "succeeded"),
    ],
)
async def test_what_a_request_says_of_its_length_is_no_reason_to_be_claimed_for_ever(
    bench: InteractiveBench,
    context: WorkerContext,
    upstream: ScriptedUpstream,
    request_body: dict[str, Any],
    status: str,
    is_known: bool,
) -> None:
    if is_known:
        await context.catalog.list_models()
    kind = "chat" if "messages" in request_body else "completion"
    upstream.default = Script(text="好")
    [row_id] = await bench.add("多", kind=kind, **request_body)
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert (row.status, row.attempt, len(upstream.calls)) == (status, 1, 1)


async def test_a_claim_that_meets_a_defect_ends_the_text(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    await context.catalog.list_models()
    async with bench.database.transaction() as session:
        await session.execute(text("alter table attempt add constraint broken check (reserved_usd < 0) not valid"))
    [row_id] = await bench.add("坏")
    try:
        await run_completion(context, row_id)
    finally:
        async with bench.database.transaction() as session:
            await session.execute(text("alter table attempt drop constraint broken"))
    row = await bench.row(row_id)
    assert row.error is not None
    assert (row.status, row.error["type"]) == ("failed", "server_error")
    assert not upstream.calls
    await bench.assert_stream_equals_row(row)


async def test_a_provider_that_is_away_for_a_moment_is_waited_for(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    [row_id] = await bench.add("稍等")
    await upstream.stop()
    job = asyncio.create_task(run_completion(context, row_id))

    async def has_failed_once() -> bool:
        return (await bench.row(row_id)).attempt > 1

    await eventually_async(has_failed_once, what="a failed call")
    await upstream.start()
    await job
    row = await bench.row(row_id)
    assert (row.status, row.text) == ("succeeded", story_for({"prompt": "稍等"}))
    attempts = await bench.attempts(row_id)
    assert {attempt.failure_class for attempt in attempts[:-1]} == {"unreachable"}


async def test_a_cancel_during_the_wait_for_a_retry_ends_the_wait(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(status=503)
    [row_id] = await bench.add("等着")
    job = asyncio.create_task(run_completion(context, row_id))
    await eventually(lambda: upstream.calls and upstream.calls[0].ended_at)
    await bench.cancel(row_id)
    await asyncio.wait_for(job, 5)
    assert (await bench.row(row_id)).status == "cancelled"


async def test_partial_text_is_stored_while_the_stream_runs(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    gate = asyncio.Event()
    upstream.default = Script(gate=gate, tokens_before_gate=5)
    [row_id] = await bench.add("慢")
    job = asyncio.create_task(run_completion(context, row_id))

    async def is_stored() -> bool:
        return (await bench.row(row_id)).text != ""

    await eventually_async(is_stored, what="a checkpoint")
    row = await bench.row(row_id)
    assert (row.text, row.text_seq, row.status) == (story_for({"prompt": "慢"})[:10], 5, "running")
    gate.set()
    await job
    await bench.assert_stream_equals_row(await bench.row(row_id))


async def test_what_postgres_cannot_keep_is_replaced_in_stream_and_row_alike(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(text="零\x00字")
    [row_id] = await bench.add("零")
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert row.text == "零\ufffd字"
    await bench.assert_stream_equals_row(row)


async def test_a_worker_that_lost_its_row_publishes_nothing_more(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    gate = asyncio.Event()
    upstream.queue(Script(gate=gate, tokens_before_gate=3))
    [row_id] = await bench.add("易主")
    zombie = asyncio.create_task(run_completion(context, row_id))
    await eventually(lambda: upstream.calls and upstream.calls[0].tokens_sent == 3)
    async with bench.database.transaction() as session:
        await session.execute(text("update completion set status = 'queued', worker_id = null"))
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert (row.status, row.attempt) == ("succeeded", 2)
    gate.set()
    await zombie
    assert (await bench.row(row_id)).sha256 == row.sha256
    await bench.assert_stream_equals_row(row)
    assert [attempt.outcome for attempt in await bench.attempts(row_id)] in (
        ["superseded", "succeeded"],
        ["unknown", "succeeded"],
    )


def choice(delta: object, finish_reason: object = None, **fields: object) -> bytes:
    """One chunk of a chat's stream."""
    body = {"model": "scripted-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}], **fields}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def deeply(levels: int) -> object:
    """Return lists inside each other."""
    value: object = "x"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "chunks",
    [
        (choice({"content": "好"}), choice({}, "stop" * 100)),
        (choice({"content": "好"}), choice({}, ["stop"])),
        (choice({"content": "好", "reasoning\x00": "a\x00b", "n": [10**30]}), choice({}, "stop")),
        (choice({"content": "好", "reasoning": "\ud83d"}), choice({}, "stop")),
        (choice({"content": "好", "deep": deeply(600)}), choice({}, "stop")),
        (choice({"content": "好"}), choice({}, "stop", usage={"prompt_tokens": 10**12, "completion_tokens": 1})),
        (choice({"content": "好"}, model="m\x00" * 1000), choice({}, "stop")),
        (b"\xef\xbb\xbf" + choice({"content": "好"}), choice({}, "stop")),
        (
            choice({"content": "好"}).replace(b'"finish_reason": null', b'"logprobs": [NaN, -Infinity]'),
            choice({}, "stop"),
        ),
    ],
)
async def test_what_stands_beside_a_text_is_stored_as_it_can_be_and_the_text_is_paid_once(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream, chunks: tuple[bytes, ...]
) -> None:
    upstream.default = Script(raw_chunks=chunks, headers={"x-request-id": "r" * 3000})
    [row_id] = await bench.add("说", kind="chat")
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert (row.status, row.text, row.attempt, len(upstream.calls)) == ("succeeded", "好", 1, 1)
    assert len(row.finish_reason or "") <= 32
    await bench.assert_stream_equals_row(row)
    assert len(await bench.ledger(row_id)) == 1


async def test_a_character_in_two_halves_is_one_character(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    chunks = (choice({"content": "a\ud83d"}), choice({"content": "\ude00b"}), choice({"content": "\ud83d"}, "stop"))
    upstream.default = Script(raw_chunks=chunks)
    [row_id] = await bench.add("说", kind="chat")
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert (row.status, row.text) == ("succeeded", "a😀b\ufffd")
    await bench.assert_stream_equals_row(row)


async def test_a_refusal_with_nul_ends_the_row_after_one_call(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(status=400, raw_body=b'{"error": {"message": "no\\u0000", "code": "x\\u0000"}}')
    [row_id] = await bench.add("错")
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert row.error is not None
    assert (row.status, len(upstream.calls), row.error["code"]) == ("failed", 1, "x\ufffd")
    await bench.assert_stream_equals_row(row)


async def test_a_defect_of_ours_in_a_call_ends_the_row_and_is_not_paid_again(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    [row_id] = await bench.add("错")
    await context.catalog.list_models()
    await context.llm._open_http().close()  # aiohttp answers with RuntimeError: what nobody foresaw
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert row.error is not None
    assert (row.status, row.error["code"], row.error["status"]) == ("failed", "internal_error", 500)
    [attempt] = await bench.attempts(row_id)
    assert (attempt.outcome, attempt.failure_class) == ("failed", "internal_error")
    assert len(await bench.ledger(row_id)) == 1
    await bench.assert_stream_equals_row(row)


async def test_an_end_that_cannot_be_written_is_written_without_what_is_in_its_way(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    async with bench.database.transaction() as session:
        await session.execute(text("alter table completion add constraint no_chat check (finish_reason <> 'odd')"))
    upstream.default = Script(text="好", finish_reason="odd")
    [row_id] = await bench.add("说")
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert row.error is not None
    assert (row.status, row.text, row.error["code"], len(upstream.calls)) == ("failed", "好", "internal_error", 1)
    [attempt] = await bench.attempts(row_id)
    assert (attempt.outcome, attempt.failure_class) == ("failed", "internal_error")
    assert len(await bench.ledger(row_id)) == 1
    await bench.assert_stream_equals_row(row)


async def test_an_end_that_cannot_be_written_with_its_books_is_written_bare_and_not_paid_again(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    async with bench.database.transaction() as session:
        await session.execute(text("alter table attempt add check (outcome in ('sent', 'unknown'))"))
    [row_id] = await bench.add("说")
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert row.error is not None
    assert (row.status, row.text, row.error["code"], len(upstream.calls)) == ("failed", "", "internal_error", 1)
    [attempt] = await bench.attempts(row_id)
    assert attempt.outcome == "sent", "the reaper books it as unknown"


async def test_a_row_of_a_model_that_nobody_serves_ends_though_its_stream_cannot_begin(
    bench: InteractiveBench, context: WorkerContext
) -> None:
    async with bench.database.transaction() as session:
        await session.execute(text("alter table completion add check (text = '' or status <> 'failed')"))
    [row_id] = await bench.add("说", model="unknown-1")
    async with bench.database.transaction() as session:
        await session.execute(text("update completion set text = '从前'"))
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    assert row.error is not None
    assert (row.status, row.error["code"]) == ("failed", "model_not_found")


async def test_what_stands_beside_a_text_keeps_its_place_in_row_and_stream(
    bench: InteractiveBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    said = [{"reasoning_content": "想"}, {"reasoning_content": "了\ud83d"}, {"reasoning_content": "\ude00"}]
    told = {"content": [{"token": "a", "logprob": -1.0}]}
    spoken = json.loads(choice({"content": "前"}).removeprefix(b"data: "))
    spoken["choices"][0]["logprobs"] = told
    with_logprobs = b"data: " + json.dumps(spoken).encode() + b"\n\n"
    upstream.default = Script(
        raw_chunks=(*map(choice, said), choice({"content": "从"}), with_logprobs, choice({}, "stop"))
    )
    [row_id] = await bench.add("说", kind="chat")
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    deltas = [{"reasoning_content": "想"}, {"reasoning_content": "了"}, {"reasoning_content": "😀"}, {"logprobs": told}]
    assert (row.text, row.extra) == ("从前", {"deltas": deltas, "at": [0, 0, 0, 1]})
    fold = Fold(row_id)
    for frame in await bench.read_frames(row_id):
        fold.apply(frame)
    assert fold.beside == [{"at": at, "delta": delta} for at, delta in zip([0, 0, 0, 1], deltas, strict=True)]
    await bench.assert_stream_equals_row(row)
