"""What a run makes of answers that are no answers: rows with a failure class and books, never a row held for ever."""

import asyncio
from pathlib import Path

import orjson
import pytest
from sqlalchemy import text

from services.workers.generation.work_task import work_generation
from services.workers.maintenance.lost_attempts import settle_lost_attempts
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.settings import Settings
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream_script import Script
from tests.support.volume import VolumeBench

LIMIT_SECONDS = 60
USAGE = {"prompt_tokens": 5, "completion_tokens": 7}
GOOD = {"role": "assistant", "content": "从前有一位英雄。"}


def answer(message: object, finish_reason: object = "stop", **fields: object) -> Script:
    """A 200 with one choice."""
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return Script(raw_body=orjson.dumps({"model": "m", "choices": [choice], "usage": USAGE, **fields}))


@pytest.mark.parametrize("message", ["hi", 7, ["hi"], True, {"content": {"text": "hi"}}, {"content": 3}])
async def test_a_message_that_is_no_message_fails_its_row_as_malformed_and_the_run_ends(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream, message: object
) -> None:
    upstream.default = answer(message)
    run_id = await bench.add(1, format="chat")
    async with asyncio.timeout(LIMIT_SECONDS):
        await work_generation(context, run_id)
    [story] = await bench.stories(run_id)
    assert (story.status, story.failure_class, story.worker_id) == ("failed", "malformed", None)
    assert len(await bench.attempts(run_id)) == len(upstream.calls) == len(await bench.ledger(run_id)) == 3
    await bench.assert_counters_exact(run_id)


@pytest.mark.parametrize(
    "script",
    [
        answer(GOOD, "s" * 300),
        answer(GOOD, {"reason": "stop"}),
        answer(GOOD, model="m" * 5_000),
        answer({**GOOD, "reasoning\x00": "\x00"}),
        answer(GOOD, usage={"prompt_tokens": 10**15, "completion_tokens": -1}),
        answer(GOOD, usage={"prompt_tokens": "5", "completion_tokens": 7.0}),
        Script(raw_body=answer(GOOD).raw_body, headers={"x-request-id": "r" * 5_000}),
        Script(raw_body=b"\xef\xbb\xbf" + (answer(GOOD).raw_body or b"")),
        Script(raw_body=(answer(GOOD).raw_body or b"").replace(b'"stop"', b'"stop","logprobs":{"x":[NaN,-Infinity]}')),
    ],
)
async def test_what_stands_beside_a_story_costs_nobody_the_story(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream, script: Script
) -> None:
    upstream.default = script
    run_id = await bench.add(1, format="chat")
    async with asyncio.timeout(LIMIT_SECONDS):
        await work_generation(context, run_id)
    [story] = await bench.stories(run_id)
    assert (story.status, story.text, len(upstream.calls)) == ("succeeded", GOOD["content"], 1)
    assert story.finish_reason is not None
    assert len(story.finish_reason) <= 32


async def test_half_a_character_in_a_story_becomes_a_mark(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    raw = answer({"content": "half"}).raw_body or b""
    upstream.default = Script(raw_body=raw.replace(b"half", b"a\\ud83db\\u0000"))
    run_id = await bench.add(1, format="chat")
    await work_generation(context, run_id)
    [story] = await bench.stories(run_id)
    assert (story.status, story.text) == ("succeeded", "a\ufffdb\ufffd")


async def test_a_refusal_with_nul_ends_its_row_with_its_words(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    error = {"error": {"message": "no\x00 " + "w" * 10_000, "code": "c\x00", "param": "p\x00"}}
    upstream.queue(Script())  # without a success the recipe would be blamed, and the run paused
    upstream.default = Script(status=400, raw_body=orjson.dumps(error))
    run_id = await bench.add(2)
    await work_generation(context, run_id)
    story = (await bench.stories(run_id))[1]
    assert (story.status, story.failure_class) == ("failed", "invalid_request")
    assert "no\ufffd www" in (story.failure_message or "")
    assert (story.failure_message or "").endswith("…")


async def test_a_defect_of_ours_in_a_call_is_a_result_too(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.default = answer(GOOD)
    run_id = await bench.add(2, format="chat")
    await context.catalog.list_models()
    await context.llm._open_http().close()  # aiohttp answers with RuntimeError: what nobody foresaw
    async with asyncio.timeout(LIMIT_SECONDS):
        await work_generation(context, run_id)
    stories = await bench.stories(run_id)
    assert {(story.status, story.failure_class) for story in stories} == {("failed", "internal_error")}
    assert [attempt.failure_class for attempt in await bench.attempts(run_id)] == ["internal_error"] * 2
    assert len(await bench.ledger(run_id)) == 2
    await bench.assert_counters_exact(run_id)


async def test_an_outcome_that_cannot_be_written_ends_its_row_at_once_and_is_booked_as_unknown(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.default = answer(GOOD)
    run_id = await bench.add(1, format="chat")
    async with bench.database.transaction() as session:
        await session.execute(text("alter table attempt add check (outcome in ('sent', 'unknown'))"))
    async with asyncio.timeout(LIMIT_SECONDS):
        await work_generation(context, run_id)
    [story] = await bench.stories(run_id)
    assert (story.status, story.failure_class, story.worker_id) == ("failed", "internal_error", None)
    assert (len(upstream.calls), (await bench.run(run_id)).status) == (1, "failed")
    async with bench.database.transaction() as session:
        await session.execute(text("update attempt set started_at = now() - interval '1 h'"))
    await settle_lost_attempts(context)
    assert [attempt.outcome for attempt in await bench.attempts(run_id)] == ["unknown"]
    await bench.assert_counters_exact(run_id)


async def test_tokens_that_nobody_counted_are_charged_by_the_bound_and_the_books_say_so(
    bench: VolumeBench, database_url: str, redis_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    prices = tmp_path / "providers.toml"
    prices.write_text('[providers.upstream.prices."*"]\ninput_usd_per_million = 1.0\noutput_usd_per_million = 2.0\n')
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    settings = Settings.model_validate({**values, "providers_file": prices})
    context = await open_context(settings, WorkerSettings())
    upstream.default = answer(GOOD, usage={"prompt_tokens": -1, "completion_tokens": 0})
    run_id = await bench.add(1, format="chat")
    try:
        await work_generation(context, run_id)
    finally:
        await context.close()
    [story], [attempt], [entry] = await bench.stories(run_id), await bench.attempts(run_id), await bench.ledger(run_id)
    assert (story.status, story.completion_tokens) == ("succeeded", None)
    assert attempt.reserved_usd is not None
    assert entry.cost_usd == attempt.reserved_usd
    assert "told no usage" in (entry.price_note or "")
