"""Somebody waits for an interactive text: when its provider cannot write it, that is said at once and costs nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from services.workers.interactive.task import run_completion
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.settings import Settings
from shared.stores.db.models import Completion
from tests.support.interactive import InteractiveBench, open_bench
from tests.support.stack import eventually
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream_script import Script, server_error

NO_CREDIT = Script(status=402, error={"message": "Insufficient Balance", "code": "invalid_request_error"})
BAD_KEY = Script(status=401, error={"message": "Incorrect API key", "code": "invalid_api_key"})
UNTIL_TOMORROW = Script(status=429, error={"message": "Daily limit"}, headers={"retry-after": "4980"})

OpenContext = Callable[..., Coroutine[Any, Any, WorkerContext]]


@pytest.fixture
async def bench(database_url: str, redis_url: str) -> AsyncIterator[InteractiveBench]:
    async with open_bench(database_url, redis_url) as opened:
        yield opened


@pytest.fixture
async def open_worker(database_url: str, redis_url: str, upstream: ScriptedUpstream) -> AsyncIterator[OpenContext]:
    opened: list[WorkerContext] = []

    async def open_one(**options: float) -> WorkerContext:
        values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
        opened.append(await open_context(Settings.model_validate(values), WorkerSettings.model_validate(options)))
        return opened[-1]

    yield open_one
    for context in opened:
        await context.close()


async def write(bench: InteractiveBench, context: WorkerContext, prompt: str) -> Completion:
    """Have one text written, or refused."""
    [row_id] = await bench.add(prompt)
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    await bench.assert_stream_equals_row(row)
    return row


@pytest.mark.parametrize(
    ("refusal", "first_texts", "status", "code"),
    [(NO_CREDIT, 1, 429, "insufficient_quota"), (BAD_KEY, 3, 502, "provider_key_refused")],
)
async def test_a_refusing_account_is_asked_now_and_then_only_and_texts_go_on_when_it_is_mended(
    bench: InteractiveBench,
    open_worker: OpenContext,
    upstream: ScriptedUpstream,
    refusal: Script,
    first_texts: int,
    status: int,
    code: str,
) -> None:
    context = await open_worker()
    upstream.default = refusal
    for number in range(first_texts + 4):
        row = await write(bench, context, f"text {number}")
        assert row.error is not None
        assert (row.status, row.error["status"], row.error["code"]) == ("failed", status, code)
    assert len(upstream.calls) == first_texts
    [attempt] = await bench.attempts(row.id)
    assert (attempt.outcome, attempt.spent_usd) == ("failed", 0)

    upstream.default = Script()
    health = await context.healths.find(context.providers.all[0])
    health._try_again_at = 0.0  # five seconds from now, otherwise
    assert (await write(bench, context, "mended")).status == "succeeded"
    assert (await write(bench, context, "for all")).status == "succeeded"


async def test_a_long_silence_is_told_with_its_length(
    bench: InteractiveBench, open_worker: OpenContext, upstream: ScriptedUpstream
) -> None:
    context = await open_worker()
    upstream.default = UNTIL_TOMORROW
    for number in range(3):
        row = await write(bench, context, f"text {number}")
        assert row.error is not None
        assert (row.status, row.error["status"]) == ("failed", 429)
        assert 4900 < row.error["retry_after_seconds"] <= 4980
    assert len(upstream.calls) == 1


async def test_a_text_whose_provider_has_been_down_for_long_fails_at_once(
    bench: InteractiveBench, open_worker: OpenContext, upstream: ScriptedUpstream
) -> None:
    context = await open_worker(down_grace_seconds=0)
    upstream.default = server_error(503)
    row = await write(bench, context, "the first finds out")
    assert row.error is not None
    assert (row.error["status"], row.error["code"]) == (429, "provider_down")
    found_out = len(upstream.calls)
    assert found_out <= 6
    for number in range(4):
        row = await write(bench, context, f"text {number}")
        assert row.error is not None
        assert (row.error["status"], row.error["code"]) == (429, "provider_down")
    assert len(upstream.calls) - found_out <= 4


async def test_a_text_waits_for_a_provider_that_only_restarts(
    bench: InteractiveBench, open_worker: OpenContext, upstream: ScriptedUpstream
) -> None:
    context = await open_worker()
    await upstream.stop()
    [row_id] = await bench.add("后来")
    writing = asyncio.create_task(run_completion(context, row_id))
    health = await context.healths.find(context.providers.all[0])
    await eventually(lambda: health.standing.verdict == "down", what="the verdict")
    await upstream.start()
    await writing
    assert (await bench.row(row_id)).status == "succeeded"
    assert len(upstream.calls) == 1
