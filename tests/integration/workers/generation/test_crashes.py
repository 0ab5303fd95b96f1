"""Volume runs on real worker processes that are killed, frozen and stopped; stores that are flushed and restarted."""

import signal
from collections import Counter
from pathlib import Path

import psutil
import pytest

from shared.outside.providers.configuration import DEFAULT_CONCURRENCY
from tests.integration.workers.generation.conftest import MakeWorker
from tests.support.interactive import eventually_async
from tests.support.reaper_round import reaping
from tests.support.stack import PrivatePostgres, PrivateRedis, eventually
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream_script import FIRST_ANSWERS, Script, story_for
from tests.support.volume import VolumeBench, open_volume_bench
from tests.support.worker_process import WorkerProcess

SLOW = Script(delay_seconds=0.15)
MOST_IN_FLIGHT = DEFAULT_CONCURRENCY
"""Of one worker: calls under way and answers not committed yet."""


async def assert_all_told(bench: VolumeBench, run_id: str, upstream: ScriptedUpstream) -> None:
    """Every row has its story, and the books agree with the rows and with the provider."""
    for story in await bench.stories(run_id):
        prompt = f"写一个关于{story.attributes['dynasty']}朝第{story.attributes['number']}位英雄的故事。"
        assert (story.status, story.text) == ("succeeded", story_for({"prompt": prompt}))
    await bench.wait_until_attempts_settled(run_id)
    await bench.assert_counters_exact(run_id)
    await bench.assert_books_match(run_id, upstream)


async def test_a_killed_worker_loses_no_story_and_every_call_is_on_the_books(
    bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream
) -> None:
    upstream.default = SLOW
    async with reaping(bench.sender), make_worker("first") as first, make_worker("second"):
        run_id = await bench.submit(1_500)
        await eventually(lambda: len(upstream.calls) > 300, what="the run to be under way")
        first.kill()
        run = await bench.wait_until_over(run_id, timeout_seconds=120)
        assert (run.status, run.succeeded) == ("succeeded", 1_500)
        await assert_all_told(bench, run_id, upstream)
    unknown = [attempt for attempt in await bench.attempts(run_id) if attempt.outcome == "unknown"]
    assert len(upstream.calls) - 1_500 <= len(unknown) <= MOST_IN_FLIGHT


async def test_two_workers_share_a_run_and_no_row_is_claimed_twice(
    bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream
) -> None:
    upstream.default = SLOW
    async with make_worker("first"), make_worker("second"):
        run_id = await bench.submit(3_000)
        await bench.wait_until_over(run_id, timeout_seconds=120)
    attempts = await bench.attempts(run_id)
    assert len(attempts) == len(upstream.calls) == 3_000
    assert Counter(attempt.number for attempt in attempts) == {1: 3_000}
    assert len({attempt.worker_id for attempt in attempts}) == 2
    await assert_all_told(bench, run_id, upstream)


@pytest.mark.slow
async def test_a_flushed_redis_loses_nothing(
    bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream, redis_server: PrivateRedis, redis_url: str
) -> None:
    upstream.default = SLOW
    database = int(redis_url.rsplit("/", 1)[1])
    async with reaping(bench.sender), make_worker("first") as first, make_worker("second"):
        run_id = await bench.submit(900)
        await eventually(lambda: len(upstream.calls) > 200, what="the run to be under way")
        redis_server.flush(database)
        first.kill()  # its part of the work is now known to Postgres alone
        run = await bench.wait_until_over(run_id, timeout_seconds=120)
        assert run.succeeded == 900
        await assert_all_told(bench, run_id, upstream)


@pytest.mark.slow
async def test_a_run_whose_message_was_lost_is_found_by_the_reaper(
    bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(2_400, expanded=False)
    async with make_worker(), reaping(bench.sender):
        run = await bench.wait_until_over(run_id, timeout_seconds=120)
    assert (run.expanded, run.succeeded) == (2_400, 2_400)


async def test_a_worker_told_to_stop_hands_its_rows_back_and_leaves_soon(
    bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(delay_seconds=60)
    upstream.queue(*FIRST_ANSWERS)
    async with make_worker("first") as first:
        run_id = await bench.submit(60)
        await eventually(lambda: len(upstream.calls) >= 16 + len(FIRST_ANSWERS), what="the run to be under way")
        first.send_signal(signal.SIGTERM)
        await first.wait_for_exit(timeout_seconds=15)
    run = await bench.run(run_id)
    assert run.running == 0
    assert {story.status for story in await bench.stories(run_id)} == {"queued", "succeeded"}
    await bench.assert_counters_exact(run_id)

    upstream.default = Script()
    async with make_worker("second"), reaping(bench.sender):
        assert (await bench.wait_until_over(run_id)).succeeded == 60


@pytest.mark.slow
async def test_a_zombie_writes_nothing_over_the_new_owner_and_its_late_answers_are_booked(
    bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream
) -> None:
    first = len(FIRST_ANSWERS)
    frozen = Script(delay_seconds=2.0, text="frozen")
    upstream.choose = lambda call: frozen if first <= call.number < first + 16 else None
    async with make_worker("zombie", queues="generation") as zombie, reaping(bench.sender):
        run_id = await bench.submit(40)
        await eventually(lambda: len(upstream.calls) >= first + 16, what="the first calls")
        psutil.Process(zombie.pid).suspend()
        async with make_worker("second"):
            run = await bench.wait_until_over(run_id, timeout_seconds=90)
            assert run.succeeded == 40
            before = [(story.text, story.attempt) for story in await bench.stories(run_id)]
            psutil.Process(zombie.pid).resume()

            async def all_booked() -> bool:
                return sum(a.outcome == "superseded" for a in await bench.attempts(run_id)) == 16

            await eventually_async(all_booked, what="the late answers to be booked")
    assert [(story.text, story.attempt) for story in await bench.stories(run_id)] == before
    assert not any(text == "frozen" for text, _ in before)
    assert len(await bench.attempts(run_id)) == len(upstream.calls) == 56
    await bench.assert_counters_exact(run_id)


@pytest.mark.slow
async def test_a_zombies_late_answer_is_kept_when_the_row_is_still_empty(
    bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(delay_seconds=2.0)
    upstream.queue(*FIRST_ANSWERS)
    # The other worker reaps, but does not generate: the rows stay queued and empty.
    async with make_worker("zombie", queues="generation") as zombie, make_worker("reaper", queues="maintenance"):
        run_id = await bench.submit(13)
        await eventually(lambda: len(upstream.calls) == 13, what="the calls")
        psutil.Process(zombie.pid).suspend()
        async with reaping(bench.sender):

            async def requeued() -> bool:
                return await bench.count_stories(run_id, "queued") == 8

            await eventually_async(requeued, timeout_seconds=90, what="the leases to lapse")
            await bench.wait_until_attempts_settled(run_id)
            assert Counter(a.outcome for a in await bench.attempts(run_id)) == {"unknown": 8, "succeeded": 5}
            await bench.set_status(run_id, "paused")  # so that nobody claims them again
            psutil.Process(zombie.pid).resume()

            async def adopted() -> bool:
                return await bench.count_stories(run_id, "succeeded") == 13

            await eventually_async(adopted, what="the late answers to be kept")
    assert {attempt.outcome for attempt in await bench.attempts(run_id)} == {"succeeded"}
    assert len(upstream.calls) == len(await bench.ledger(run_id)) == 13
    await bench.assert_counters_exact(run_id)


async def test_answers_wait_in_memory_while_postgres_restarts(
    tmp_path: Path, redis_url: str, upstream: ScriptedUpstream
) -> None:
    upstream.default = SLOW
    with PrivatePostgres(tmp_path / "postgres") as server:
        url = server.database_url(server.create_database())
        worker = WorkerProcess(
            tmp_path,
            database_url=url,
            redis_url=redis_url,
            upstream_url=upstream.url,
            queues="generation,maintenance",
            concurrency=4,
        )
        async with open_volume_bench(url, redis_url) as bench, worker, reaping(bench.sender):
            run_id = await bench.submit(900)
            await eventually(lambda: len(upstream.calls) > 200, what="the run to be under way")
            server.kill()
            server.start()
            run = await bench.wait_until_over(run_id, timeout_seconds=120)
            assert run.succeeded == 900
            await assert_all_told(bench, run_id, upstream)
            assert len(upstream.calls) - 900 <= MOST_IN_FLIGHT


@pytest.mark.slow
async def test_memory_does_not_grow_with_the_rows(
    bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream
) -> None:
    async with make_worker(queues="generation") as worker:
        warm = await bench.submit(2_000)
        await bench.wait_until_over(warm, timeout_seconds=120)
        before = psutil.Process(worker.pid).memory_info().rss
        run_id = await bench.submit(8_000)
        await bench.wait_until_over(run_id, timeout_seconds=240)
        grown_mib = (psutil.Process(worker.pid).memory_info().rss - before) / 2**20
    assert grown_mib < 8
