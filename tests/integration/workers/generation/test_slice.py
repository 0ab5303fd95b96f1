"""A slice of work, awaited in the test's own loop, on real stores and a scripted provider."""

import asyncio
from decimal import Decimal

from sqlalchemy import text

from services.workers.generation.expand_task import expand_generation
from services.workers.generation.work_task import work_generation
from services.workers.process.context import WorkerContext
from tests.support.interactive import eventually_async
from tests.support.stack import eventually
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream_script import Script, bad_request, prompt_of, rate_limited, server_error, story_for
from tests.support.volume import VolumeBench


async def test_a_slice_writes_every_story_of_a_run(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(30)
    await work_generation(context, run_id)

    run = await bench.run(run_id)
    assert (run.status, run.succeeded, run.running, run.failed) == ("succeeded", 30, 0, 0)
    assert run.finished_at is not None
    stories = await bench.stories(run_id)
    for story in stories:
        prompt = f"写一个关于{story.attributes['dynasty']}朝第{story.attributes['number']}位英雄的故事。"
        assert story.text == story_for({"prompt": prompt})
        assert (story.status, story.attempt, story.finish_reason) == ("succeeded", 1, "stop")
    assert len(upstream.calls) == 30
    assert {call.body["max_tokens"] for call in upstream.calls} == {100}
    await bench.assert_counters_exact(run_id)
    await bench.assert_books_match(run_id, upstream)


async def test_a_chat_recipe_asks_the_chat_endpoint(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(3, format="chat", parameters={"max_tokens": 90, "temperature": 0.5, "n": 4})
    await work_generation(context, run_id)

    assert (await bench.run(run_id)).status == "succeeded"
    assert all(call.is_chat and call.body["temperature"] == 0.5 and "n" not in call.body for call in upstream.calls)


async def test_expansion_makes_the_rows_of_the_grid_in_order_and_goes_on_where_it_stopped(
    bench: VolumeBench, context: WorkerContext
) -> None:
    run_id = await bench.add(2_500, expanded=False)
    await expand_generation(context, run_id)
    before = await bench.stories(run_id)
    await expand_generation(context, run_id)

    stories = await bench.stories(run_id)
    assert [story.id for story in stories] == [story.id for story in before]
    assert [story.position for story in stories] == list(range(2_500))
    numbers = -(-2_500 // 3)
    assert stories[0].attributes == {"dynasty": "唐", "number": 1}
    assert stories[numbers].attributes == {"dynasty": "宋", "number": 1}
    assert len({story.row_key for story in stories}) == 2_500
    assert (await bench.run(run_id)).expanded == 2_500


async def test_retryable_failures_are_tried_again_and_every_call_is_on_the_books(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.queue(rate_limited(), server_error(), Script(cut_after_tokens=0), Script(text=""))
    run_id = await bench.add(6)
    await work_generation(context, run_id)

    run = await bench.run(run_id)
    assert (run.status, run.succeeded) == ("succeeded", 6)
    attempts = await bench.attempts(run_id)
    assert len(attempts) == len(upstream.calls) == 10
    failures = sorted(attempt.failure_class or "" for attempt in attempts if attempt.outcome == "failed")
    assert failures == ["cut_connection", "empty", "rate_limited", "server_error"]
    await bench.assert_counters_exact(run_id)


async def test_a_refused_request_fails_its_row_at_once_with_the_providers_words_in_a_run_that_goes_well(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    refused = bad_request("no story about the 2nd")
    upstream.choose = lambda call: refused if "第2位" in prompt_of(call.body) else None
    run_id = await bench.add(6)
    await work_generation(context, run_id)

    run = await bench.run(run_id)
    assert (run.status, run.succeeded, run.failed) == ("succeeded", 3, 3)
    assert len(upstream.calls) == 6
    for story in await bench.stories(run_id):
        if story.status == "failed":
            assert story.failure_class == "invalid_request"
            assert "no story about the 2nd" in (story.failure_message or "")


async def test_a_filtered_answer_fails_its_row_and_is_paid_for(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.queue(Script(finish_reason="content_filter"))
    run_id = await bench.add(3)
    await work_generation(context, run_id)

    run = await bench.run(run_id)
    assert (run.status, run.succeeded, run.failed) == ("succeeded", 2, 1)
    assert [story.failure_class for story in await bench.stories(run_id) if story.status == "failed"] == [
        "content_filter"
    ]
    assert len(await bench.ledger(run_id)) == 3


async def test_a_row_gives_up_after_its_failure_classs_retries(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.choose = lambda call: Script(text="") if "第1位" in prompt_of(call.body) else None
    run_id = await bench.add(6)
    await work_generation(context, run_id)

    run = await bench.run(run_id)
    assert (run.succeeded, run.failed) == (3, 3)
    failed = [story for story in await bench.stories(run_id) if story.status == "failed"]
    assert {(story.failure_class, story.attempt) for story in failed} == {("empty", 3)}
    await bench.assert_counters_exact(run_id)


async def test_a_story_cut_at_max_tokens_is_kept_and_says_so(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(3, parameters={"max_tokens": 5})
    await work_generation(context, run_id)

    assert (await bench.run(run_id)).succeeded == 3
    assert {(story.finish_reason, story.completion_tokens) for story in await bench.stories(run_id)} == {("length", 5)}


async def test_exhausted_credit_pauses_the_run_and_fails_no_row(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    error = {"message": "You exceeded your quota", "type": "insufficient_quota", "code": "insufficient_quota"}
    upstream.default = Script(status=429, error=error)
    run_id = await bench.add(40)
    await work_generation(context, run_id)

    run = await bench.run(run_id)
    assert (run.status, run.failed, run.running) == ("paused", 0, 0)
    assert "You exceeded your quota" in (run.status_reason or "")
    upstream.default = Script()
    await bench.set_status(run_id, "queued")
    await work_generation(context, run_id)
    assert (await bench.run(run_id)).succeeded == 40


async def test_a_model_that_nobody_serves_pauses_the_run(bench: VolumeBench, context: WorkerContext) -> None:
    run_id = await bench.add(3, model="no-such-model")
    await work_generation(context, run_id)

    run = await bench.run(run_id)
    assert run.status == "paused"
    assert "no-such-model" in (run.status_reason or "")


async def test_an_answer_that_postgres_cannot_hold_does_not_stop_the_others(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.queue(Script(text="前\x00后"), Script(finish_reason="x" * 400), Script(text="🦸" * 50_000))
    run_id = await bench.add(6, parameters={"max_tokens": 60_000})
    await work_generation(context, run_id)

    assert (await bench.run(run_id)).succeeded == 6
    texts = {story.text for story in await bench.stories(run_id)}
    assert {"前\ufffd后", "🦸" * 50_000} <= texts


async def test_a_run_of_an_unknown_price_says_that_its_cost_is_not_known(
    bench: VolumeBench, context: WorkerContext
) -> None:
    run_id = await bench.add(3)
    await work_generation(context, run_id)

    run = await bench.run(run_id)
    assert (run.cost_known, run.spent_usd) == (False, Decimal(0))
    assert {entry.cost_usd for entry in await bench.ledger(run_id)} == {None}
    assert all("no price" in (entry.price_note or "") for entry in await bench.ledger(run_id))


async def test_a_slice_of_a_large_run_reads_no_whole_table_with_plans_made_for_a_small_one(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    await work_generation(context, await bench.add(600))
    run_id = await bench.add(15_000)
    working = asyncio.create_task(work_generation(context, run_id))
    await eventually(lambda: len(upstream.calls) > 2_600, what="the run to be under way")
    await bench.set_status(run_id, "paused")
    await working

    read = text("select idx_scan, seq_tup_read from pg_stat_user_tables where relname = 'story'")

    async def counted() -> bool:
        async with bench.database.transaction() as session:
            return (await session.execute(read)).one()[0] > 3_000  # Postgres publishes its counts now and then

    await eventually_async(counted, what="the table's statistics")
    async with bench.database.transaction() as session:
        assert (await session.execute(read)).one()[1] < 100_000
