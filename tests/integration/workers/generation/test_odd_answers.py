"""What a run makes of answers that are no answers: rows with a failure class and books, never a row held for ever."""

import asyncio

import orjson
import pytest
from sqlalchemy import text

from services.workers.generation.work_task import work_generation
from services.workers.maintenance.lost_attempts import settle_lost_attempts
from services.workers.process.context import WorkerContext
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
    upstream.default = Script(status=400, raw_body=orjson.dumps(error))
    run_id = await bench.add(1)
    await work_generation(context, run_id)
    [story] = await bench.stories(run_id)
    assert (story.status, story.failure_class) == ("failed", "invalid_request")
    assert "no\ufffd www" in (story.failure_message or "")
    assert (story.failure_message or "").endswith("…")


async def test_a_defect_of_ours_in_a_call_is_a_result_too(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.default = answer(GOOD)
    run_id = await bench.add(2, format="chat")
    await context.catalog.list_models()
    await context.llm._open_session().close()  # aiohttp answers with RuntimeError: what nobody foresaw
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
