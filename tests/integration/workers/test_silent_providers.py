"""Somebody waits for an interactive text, plain or as it comes, and the provider takes the call and answers nothing, or
falls silent in mid-text: they are told in time, and few calls are paid."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
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
from tests.support.upstream_script import Script, story_for

TIMES = "first_byte_timeout_seconds = 0.4\nidle_timeout_seconds = 0.4\ntimeout_seconds = 0.8"
MOST_CALLS = 6
TOLD_WITHIN_SECONDS = 15
PLAIN, STREAMED = {"stream": False}, dict[str, Any]()
pytestmark = pytest.mark.parametrize("asked", [PLAIN, STREAMED], ids=["plain", "streamed"])


@pytest.fixture
async def bench(database_url: str, redis_url: str) -> AsyncIterator[InteractiveBench]:
    async with open_bench(database_url, redis_url) as opened:
        yield opened


@pytest.fixture
async def impatient(
    database_url: str, redis_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> AsyncIterator[WorkerContext]:
    """A worker whose provider is given tenths of seconds for what usually takes minutes."""
    file = tmp_path / "providers.toml"
    file.write_text(f"[providers.upstream]\n{TIMES}\n")
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    settings = Settings.model_validate({**values, "providers_file": file})
    opened = await open_context(settings, WorkerSettings(patience_seconds=3, down_grace_seconds=1))
    yield opened
    await opened.close()


async def write(bench: InteractiveBench, context: WorkerContext, prompt: str, asked: dict[str, Any]) -> Completion:
    """Have one text written, or refused."""
    [row_id] = await bench.add(prompt, **asked)
    await run_completion(context, row_id)
    row = await bench.row(row_id)
    await bench.assert_stream_equals_row(row)
    return row


async def test_a_black_hole_is_told_as_a_timeout_after_few_calls(
    bench: InteractiveBench, impatient: WorkerContext, upstream: ScriptedUpstream, asked: dict[str, Any]
) -> None:
    upstream.default = Script(gate=asyncio.Event())
    begun = time.monotonic()
    row = await write(bench, impatient, "黑洞", asked)
    assert time.monotonic() - begun < TOLD_WITHIN_SECONDS
    assert row.error is not None
    assert (row.status, row.text) == ("failed", "")
    assert (row.error["status"], row.error["code"]) in {(504, "timeout"), (429, "provider_down")}
    assert 1 <= len(upstream.calls) <= MOST_CALLS
    assert len(upstream.calls) == len(await bench.attempts(row.id))
    assert {attempt.failure_class for attempt in await bench.attempts(row.id)} == {"timeout"}
    # A way that cuts silent connections may let a stream through, so the next tries are streams.
    assert [call.body["stream"] for call in upstream.calls[:2]] == [asked != PLAIN, True]


async def test_a_text_is_written_once_the_black_hole_is_over(
    bench: InteractiveBench, impatient: WorkerContext, upstream: ScriptedUpstream, asked: dict[str, Any]
) -> None:
    upstream.queue(Script(gate=asyncio.Event()))
    row = await write(bench, impatient, "黑洞之后", asked)
    assert (row.status, row.text, row.attempt) == ("succeeded", story_for({"prompt": "黑洞之后"}), 2)


async def test_a_provider_that_stalls_in_mid_text_is_asked_again_and_the_text_has_no_seam(
    bench: InteractiveBench, impatient: WorkerContext, upstream: ScriptedUpstream, asked: dict[str, Any]
) -> None:
    upstream.queue(*stalls(asked, 2))
    row = await write(bench, impatient, "停在半路", asked)
    assert (row.status, row.text, row.attempt) == ("succeeded", story_for({"prompt": "停在半路"}), 3)


async def test_a_provider_that_always_stalls_in_mid_text_is_told_after_few_calls(
    bench: InteractiveBench, impatient: WorkerContext, upstream: ScriptedUpstream, asked: dict[str, Any]
) -> None:
    upstream.queue(*stalls(asked, 1))
    [upstream.default] = stalls({}, 1)
    begun = time.monotonic()
    row = await write(bench, impatient, "总停在半路", asked)
    assert time.monotonic() - begun < TOLD_WITHIN_SECONDS
    assert row.error is not None
    assert row.status == "failed"
    assert row.error["status"] in {429, 504}
    assert 2 <= len(upstream.calls) <= MOST_CALLS


async def test_those_who_wait_are_told_when_a_provider_that_answered_before_hangs(
    bench: InteractiveBench,
    database_url: str,
    redis_url: str,
    upstream: ScriptedUpstream,
    asked: dict[str, Any],
) -> None:
    """Its usual speed gives it away, long before its own time limits are over: who hangs already is told, and who comes
    then at once."""
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    quick = WorkerSettings(hung_seconds=0.5, down_grace_seconds=1)
    context = await open_context(Settings.model_validate(values), quick)
    try:
        assert (await write(bench, context, "以前", asked)).status == "succeeded"
        upstream.default = Script(gate=asyncio.Event())
        begun = time.monotonic()
        rows = await asyncio.gather(*(write(bench, context, f"现在{number}", asked) for number in range(6)))
        assert time.monotonic() - begun < TOLD_WITHIN_SECONDS
        told = {(row.status, row.error["status"], row.error["code"]) for row in rows if row.error}
        assert told == {("failed", 429, "provider_down")}
        calls = len(upstream.calls)
        later = await write(bench, context, "后来", asked)
        assert later.error is not None
        assert (later.error["code"], later.error["status"]) == ("provider_down", 429)
        assert len(upstream.calls) <= calls + 1
        upstream.default = Script()
        health = await context.healths.find(context.providers.all[0])
        await recover(bench, context, asked)
        await eventually(lambda: health.standing.verdict == "well", what="the verdict to be lifted")
    finally:
        await context.close()


async def recover(bench: InteractiveBench, context: WorkerContext, asked: dict[str, Any]) -> None:
    """Ask until a text is written, as people do."""
    deadline = time.monotonic() + TOLD_WITHIN_SECONDS
    while (await write(bench, context, "好了", asked)).status != "succeeded":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)


def stalls(asked: dict[str, Any], calls: int) -> list[Script]:
    """Return answers of which only a beginning comes: of a whole one half of its JSON, of a stream some tokens."""
    silent = asyncio.Event()
    half = Script(raw_chunks=(b'{"id": "x", "choices": [{"index": 0, "text": "',), holds_back=silent)
    few = Script(gate=silent, tokens_before_gate=3)
    return [half if asked == PLAIN and number == 0 else few for number in range(calls)]
