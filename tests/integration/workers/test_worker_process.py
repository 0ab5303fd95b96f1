"""Real Celery workers under soft and hard stops, a lost broker and a lost Postgres: no text is lost, and no call is
off the books."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.support.interactive import InteractiveBench, eventually_async, open_bench
from tests.support.reaper import running_reaper
from tests.support.stack import PrivatePostgres, PrivateRedis, eventually, migrate
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream_script import Script, story_for
from tests.support.worker_process import WorkerProcess

SLOW = Script(tokens_per_second=20)
"""About 2.6 s a text."""


@pytest.fixture
async def bench(database_url: str, redis_url: str) -> AsyncIterator[InteractiveBench]:
    async with open_bench(database_url, redis_url) as bench:
        yield bench


def make_worker(
    tmp_path: Path, database_url: str, redis_url: str, upstream: ScriptedUpstream, **options: object
) -> WorkerProcess:
    return WorkerProcess(
        tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        upstream_url=upstream.url,
        **options,  # type: ignore[arg-type]
    )


async def assert_all_whole(bench: InteractiveBench, prompts: dict[str, str]) -> None:
    """Every row succeeded with the text of its prompt, and its stream says the same."""
    for row in await bench.wait_until_over(*prompts, timeout_seconds=120):
        assert (row.status, row.text) == ("succeeded", story_for({"prompt": prompts[row.id]}))
        await bench.assert_stream_equals_row(row)


async def submit(bench: InteractiveBench, count: int) -> dict[str, str]:
    prompts = [f"故事 {number}" for number in range(count)]
    return dict(zip(await bench.submit(*prompts), prompts, strict=True))


async def test_a_worker_serves_its_queue_and_tells_its_health(
    tmp_path: Path, database_url: str, redis_url: str, upstream: ScriptedUpstream, bench: InteractiveBench
) -> None:
    async with make_worker(tmp_path, database_url, redis_url, upstream) as worker:
        prompts = await submit(bench, 20)
        await assert_all_whole(bench, prompts)
        assert (await worker.fetch("/livez"))[0] == 200
        status, body = await worker.fetch("/readyz")
        assert (status, json.loads(body)) == (200, {"status": "ready", "problems": []})
        _, metrics = await worker.fetch("/metrics")
        assert (
            'storymill_upstream_calls_total{kind="completion",outcome="succeeded",provider="upstream"} 20.0' in metrics
        )
        assert await bench.count_attempts() == len(upstream.calls) == 20


async def test_a_worker_with_a_bad_providers_file_says_so_and_exits(
    tmp_path: Path, database_url: str, redis_url: str, upstream: ScriptedUpstream
) -> None:
    providers = tmp_path / "providers.toml"
    providers.write_text('[providers.x]\nbase_url = "ftp://x"\n')
    env = {"STORYMILL_PROVIDERS_FILE": str(providers)}
    worker = make_worker(tmp_path, database_url, redis_url, upstream, env=env)
    worker.launch()
    assert await worker.wait_for_exit(timeout_seconds=60) == 1
    assert "the worker cannot start" in worker.log
    assert "providers.x.base_url" in worker.log


async def test_a_soft_stop_hands_rows_back_within_seconds_and_another_worker_finishes_them(
    tmp_path: Path, database_url: str, redis_url: str, upstream: ScriptedUpstream, bench: InteractiveBench
) -> None:
    upstream.default = Script(tokens_per_second=5)
    worker = make_worker(tmp_path, database_url, redis_url, upstream, name="first")
    async with worker:
        prompts = await submit(bench, 30)
        await eventually(lambda: sum(call.tokens_sent > 1 for call in upstream.calls) == 30, timeout_seconds=60)
        stopped_at = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert await worker.wait_for_exit() == 0
        assert time.monotonic() - stopped_at < 8
    assert all(call.closed_by_client_at for call in upstream.calls)
    assert worker.log.count("job_handed_back") == 30
    upstream.default = SLOW
    async with make_worker(tmp_path, database_url, redis_url, upstream, name="second"):
        await assert_all_whole(bench, prompts)
    assert await bench.count_attempts() == len(upstream.calls) == 60


async def test_a_soft_stop_lets_short_texts_finish(
    tmp_path: Path, database_url: str, redis_url: str, upstream: ScriptedUpstream, bench: InteractiveBench
) -> None:
    upstream.default = Script(tokens_per_second=40)
    env = {"STORYMILL_WORKER_DRAIN_SECONDS": "20"}
    async with make_worker(tmp_path, database_url, redis_url, upstream, env=env) as worker:
        prompts = await submit(bench, 5)
        await eventually(lambda: len(upstream.calls) == 5)
        worker.send_signal(signal.SIGTERM)
        assert await worker.wait_for_exit() == 0
    await assert_all_whole(bench, prompts)
    assert len(upstream.calls) == 5


@pytest.mark.slow
async def test_a_killed_worker_does_not_lose_the_story(
    tmp_path: Path, database_url: str, redis_url: str, upstream: ScriptedUpstream, bench: InteractiveBench
) -> None:
    upstream.default = SLOW
    async with make_worker(tmp_path, database_url, redis_url, upstream, name="first") as worker:
        prompts = await submit(bench, 20)
        await eventually(lambda: sum(call.tokens_sent > 3 for call in upstream.calls) == 20, timeout_seconds=60)
        worker.kill()
    async with (
        make_worker(tmp_path, database_url, redis_url, upstream, name="second"),
        reaper(tmp_path, database_url, redis_url, upstream),
    ):
        await assert_all_whole(bench, prompts)
    # One call that nobody saw the end of per text under way at the kill, and each of them on the books.
    assert len(upstream.calls) == 40
    assert await bench.count_attempts() == 40
    await assert_no_open_attempts(bench)


@pytest.mark.slow
async def test_a_frozen_worker_that_wakes_up_writes_nothing_over_the_new_owner(
    tmp_path: Path, database_url: str, redis_url: str, upstream: ScriptedUpstream, bench: InteractiveBench
) -> None:
    upstream.default = SLOW
    async with (
        make_worker(tmp_path, database_url, redis_url, upstream, name="zombie") as zombie,
        reaper(tmp_path, database_url, redis_url, upstream),
    ):
        prompts = await submit(bench, 10)
        await eventually(lambda: sum(call.tokens_sent > 3 for call in upstream.calls) == 10, timeout_seconds=60)
        zombie.send_signal(signal.SIGSTOP)
        async with make_worker(tmp_path, database_url, redis_url, upstream, name="second"):
            rows = await bench.wait_until_over(*prompts, timeout_seconds=120)
            zombie.send_signal(signal.SIGCONT)
            await eventually(lambda: zombie.log.count("completion_lost") == 10, timeout_seconds=30)
            await assert_all_whole(bench, prompts)
            assert [row.sha256 for row in await bench.wait_until_over(*prompts)] == [row.sha256 for row in rows]
            await assert_no_open_attempts(bench)


@pytest.mark.slow
@pytest.mark.parametrize("outage_seconds", [0.0, 4.0])
async def test_a_restarted_broker_without_its_data_loses_nothing(
    tmp_path: Path,
    database_url: str,
    upstream: ScriptedUpstream,
    outage_seconds: float,
) -> None:
    upstream.default = SLOW
    with PrivateRedis(tmp_path / "redis") as redis:
        async with (
            open_bench(database_url, redis.url) as bench,
            make_worker(tmp_path, database_url, redis.url, upstream) as worker,
            reaper(tmp_path, database_url, redis.url, upstream) as maintenance,
        ):
            prompts = await submit(bench, 30)
            await eventually(lambda: sum(call.tokens_sent > 3 for call in upstream.calls) == 30, timeout_seconds=60)
            await asyncio.to_thread(redis.kill)
            unsent = await bench.add("无人听见")  # its message could not be sent
            await asyncio.sleep(outage_seconds)  # the outage itself, not a wait
            await asyncio.to_thread(redis.start)
            later = await submit_when_back(bench)
            await assert_all_whole(bench, prompts | dict.fromkeys(unsent, "无人听见") | later)
            assert worker.process is not None
            assert worker.process.poll() is None
            assert maintenance.process is not None
            assert maintenance.process.poll() is None
            assert len(upstream.calls) == 32 == await bench.count_attempts()


async def test_a_lost_postgres_stops_no_stream_and_loses_no_text(
    tmp_path: Path, redis_url: str, upstream: ScriptedUpstream
) -> None:
    upstream.default = SLOW
    with PrivatePostgres(tmp_path / "postgres") as postgres:
        migrate(postgres.url)
        async with (
            open_bench(postgres.url, redis_url) as bench,
            make_worker(tmp_path, postgres.url, redis_url, upstream) as worker,
            reaper(tmp_path, postgres.url, redis_url, upstream),
        ):
            prompts = await submit(bench, 30)
            await eventually(lambda: sum(call.tokens_sent > 3 for call in upstream.calls) == 30, timeout_seconds=60)
            await asyncio.to_thread(postgres.kill)
            await eventually(lambda: all(call.ended_at for call in upstream.calls), timeout_seconds=60)
            status, _ = await worker.fetch("/readyz")
            assert status == 503
            await asyncio.to_thread(postgres.start)
            await assert_all_whole(bench, prompts)
            assert len(upstream.calls) == 30 == await bench.count_attempts()


@pytest.mark.slow
async def test_a_stop_is_bounded_while_broker_and_postgres_are_away(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    upstream.default = Script(tokens_per_second=2)
    with PrivateRedis(tmp_path / "redis") as redis, PrivatePostgres(tmp_path / "postgres") as postgres:
        migrate(postgres.url)
        async with (
            open_bench(postgres.url, redis.url) as bench,
            make_worker(tmp_path, postgres.url, redis.url, upstream) as worker,
        ):
            await submit(bench, 10)
            await eventually(lambda: len(upstream.calls) == 10)
            redis.kill()
            postgres.kill()
            stopped_at = time.monotonic()
            worker.send_signal(signal.SIGTERM)
            await worker.wait_for_exit()
            assert time.monotonic() - stopped_at < 20


@pytest.mark.slow
async def test_three_hundred_streams_run_in_one_process(
    tmp_path: Path, database_url: str, redis_url: str, upstream: ScriptedUpstream, bench: InteractiveBench
) -> None:
    everyone_is_here = asyncio.Event()
    upstream.default = Script(gate=everyone_is_here, tokens_before_gate=5, tokens_per_second=20)
    async with make_worker(tmp_path, database_url, redis_url, upstream, concurrency=320) as worker:
        prompts = await submit(bench, 300)
        await eventually(lambda: sum(call.tokens_sent == 5 for call in upstream.calls) == 300, timeout_seconds=60)
        assert upstream.most_in_flight == 300
        everyone_is_here.set()
        status, _ = await worker.fetch("/readyz")
        assert status == 200
        await assert_all_whole(bench, prompts)
    assert len(upstream.calls) == 300 == await bench.count_attempts()


def reaper(
    tmp_path: Path, database_url: str, redis_url: str, upstream: ScriptedUpstream
) -> AbstractAsyncContextManager[WorkerProcess]:
    return running_reaper(tmp_path, database_url=database_url, redis_url=redis_url, upstream_url=upstream.url)


async def assert_no_open_attempts(bench: InteractiveBench) -> None:
    """Every call on the books gets an outcome."""

    async def settled() -> bool:
        async with bench.database.transaction() as session:
            return (await session.scalar(text("select count(*) from attempt where outcome = 'sent'"))) == 0

    await eventually_async(settled, timeout_seconds=40, what="attempts to be settled")


async def submit_when_back(bench: InteractiveBench) -> dict[str, str]:
    """Submit one more; the reaper sends it if the broker is not there yet."""
    [row_id] = await bench.submit("之后")
    return {row_id: "之后"}


async def test_a_crowd_of_one_project_leaves_room_for_the_first_text_of_another(
    tmp_path: Path, database_url: str, redis_url: str, upstream: ScriptedUpstream, bench: InteractiveBench
) -> None:
    gate = asyncio.Event()
    upstream.default = Script(gate=gate)
    async with (
        open_bench(database_url, redis_url) as other,
        make_worker(tmp_path, database_url, redis_url, upstream, concurrency=16) as worker,
    ):
        crowd = await bench.submit(*(f"crowd {number}" for number in range(60)), project_id="crowd")
        await eventually(lambda: len(upstream.calls) == 15, what="the crowd to take all that one project may")
        await other.submit("alone", project_id="other")
        await eventually(lambda: len(upstream.calls) == 16, timeout_seconds=10, what="the other project's call")
        assert "alone" in json.dumps(upstream.calls[-1].body)
        _, metrics = await worker.fetch("/metrics")
        assert "storymill_line_depth 45.0" in metrics
        gate.set()
        await bench.wait_until_over(*crowd, timeout_seconds=120)
