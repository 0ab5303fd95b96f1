"""Hundreds of streams through what goes wrong at once: nothing lost, doubled or reordered, nobody left hanging."""

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from services.workers.streams.handle import StreamHandle
from shared.contracts.stream.cursor import Cursor
from shared.contracts.stream.fold import Fold
from shared.contracts.stream.frames import CursorFrame, State
from shared.streams.hub import StreamHub
from tests.integration.stream.watching import Stage, make_hub, make_row, open_stage
from tests.support.stack import PROJECT_ROOT, PrivateRedis, eventually

STREAMS = 500
TOKENS = 60


async def write_story(stage: Stage, handle: StreamHandle, chance: random.Random) -> str:
    """Write as a worker does: tokens, checkpoints, commit, end."""
    for number in range(TOKENS):
        handle.write(f"{number}号。")
        if number % 20 == 19:
            stage.checkpoint(handle)
        await asyncio.sleep(chance.uniform(0.05, 0.15))
    await stage.finish(handle)
    return handle.text


async def watch_with_drops(hub: StreamHub, stream_id: str, chance: random.Random) -> Fold:
    """Watch as a client whose connection is cut now and then: it resumes from its cursor."""
    fold = Fold(stream_id)
    seen = Cursor(0, 0)
    while not fold.ended:
        viewer = await hub.attach(stream_id, Cursor.parse(fold.cursor))
        fold.apply({"t": "subd", "stream": stream_id, "state": viewer.state, "top": "0-0", "mode": viewer.mode})
        async for frame in viewer:
            fold.apply(frame.to_wire())
            assert not fold.needs_resubscribe, frame
            if not isinstance(frame, State):
                seen = check_rises(seen, frame)
            if chance.random() < 0.02:
                break
        viewer.close()
    return fold


def check_rises(seen: Cursor, frame: CursorFrame) -> Cursor:
    assert frame.cursor > seen
    return frame.cursor


async def run_through(
    server: PrivateRedis, break_things: Callable[[Stage], Awaitable[None]], chance: random.Random
) -> None:
    """Write and watch hundreds of streams while something breaks; compare every text."""
    async with open_stage(server.url, tick_seconds=0.02) as stage:
        handles = [stage.open() for _ in range(STREAMS)]
        watching = [asyncio.create_task(watch_with_drops(stage.hub, handle.stream_id, chance)) for handle in handles]
        writing = [asyncio.create_task(write_story(stage, handle, chance)) for handle in handles]
        await eventually(lambda: sum(handle.chars > 50 for handle in handles) > STREAMS / 2)
        await break_things(stage)
        async with asyncio.timeout(120):
            texts = await asyncio.gather(*writing)
            folds = await asyncio.gather(*watching)
        assert [fold.text for fold in folds] == texts
        assert not any(fold.needs_row for fold in folds)


async def test_a_redis_killed_and_restarted_empty_under_500_streams_loses_nothing(
    tmp_path: Path, chance: random.Random
) -> None:
    with PrivateRedis(tmp_path) as server:

        async def restart(_: Stage) -> None:
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)

        await run_through(server, restart, chance)


async def test_flushall_and_a_pause_under_500_streams_lose_nothing(tmp_path: Path, chance: random.Random) -> None:
    with PrivateRedis(tmp_path) as server:

        async def flush_and_pause(stage: Stage) -> None:
            await stage.redis.flushall()
            await asyncio.sleep(1)
            await stage.redis.execute_command("CLIENT", "PAUSE", 2000)
            await asyncio.sleep(2.5)
            await stage.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await stage.redis.flushall()

        await run_through(server, flush_and_pause, chance)


async def test_a_worker_that_wakes_after_its_lease_shows_nothing_to_anybody(
    tmp_path: Path, chance: random.Random
) -> None:
    """SIGSTOP, another worker takes over 500 streams, SIGCONT: every frame of the zombie is refused."""
    with PrivateRedis(tmp_path) as server:
        async with open_stage(server.url) as stage:
            stream_ids = [f"str_zombie{number}" for number in range(STREAMS)]
            for stream_id in stream_ids:
                stage.rows[stream_id] = make_row(stream_id, "running")
            watching = [asyncio.create_task(watch_with_drops(stage.hub, stream_id, chance)) for stream_id in stream_ids]
            with run_zombie(server.url, stream_ids) as zombie:
                await wait_for_line(zombie, "ready")
                zombie.send_signal(signal.SIGSTOP)
                handles = [stage.open(2, stream_id) for stream_id in stream_ids]
                await eventually(lambda: all(handle.lease_taken for handle in handles))
                zombie.send_signal(signal.SIGCONT)
                for handle in handles:
                    handle.write("new")
                await asyncio.gather(*(handle.flush() for handle in handles))
                await wait_for_line(zombie, "fenced")
                await asyncio.gather(*(stage.finish(handle) for handle in handles))
                async with asyncio.timeout(60):
                    folds = await asyncio.gather(*watching)
            assert {fold.text for fold in folds} == {"new"}


async def test_a_killed_worker_shows_within_seconds_and_its_successor_finishes_every_stream(
    tmp_path: Path, chance: random.Random
) -> None:
    with PrivateRedis(tmp_path) as server:
        async with open_stage(server.url) as stage:
            stream_ids = [f"str_killed{number}" for number in range(50)]
            for stream_id in stream_ids:
                stage.rows[stream_id] = make_row(stream_id, "running")
            watching = [asyncio.create_task(watch_with_drops(stage.hub, stream_id, chance)) for stream_id in stream_ids]
            with run_zombie(server.url, stream_ids) as worker:
                await wait_for_line(worker, "ready")
            async with asyncio.timeout(12):  # the lease is 10 s
                viewers = [await stage.hub.attach(stream_id) for stream_id in stream_ids]
                await eventually(lambda: all(viewer.state == "stalled" for viewer in viewers), timeout_seconds=12)
            handles = [stage.open(2, stream_id) for stream_id in stream_ids]
            for handle in handles:
                handle.write("whole")
            await asyncio.gather(*(stage.finish(handle) for handle in handles))
            assert {fold.text for fold in await asyncio.gather(*watching)} == {"whole"}


async def test_a_hub_that_joins_late_and_one_that_was_there_show_the_same(
    redis_url: str, chance: random.Random
) -> None:
    async with open_stage(redis_url) as stage:
        hubs = [make_hub(redis_url, stage.rows) for _ in range(3)]
        for hub in hubs:
            await hub.start()
        handles = [stage.open() for _ in range(100)]
        writing = [asyncio.create_task(write_story(stage, handle, chance)) for handle in handles]
        watching = [
            asyncio.create_task(watch_with_drops(chance.choice(hubs), handle.stream_id, chance))
            for handle in handles
            for _ in range(3)
        ]
        texts = await asyncio.gather(*writing)
        folds = await asyncio.gather(*watching)
        assert [fold.text for fold in folds[::3]] == texts
        assert [fold.text for fold in folds[2::3]] == texts
        for hub in hubs:
            await hub.stop()


@contextmanager
def run_zombie(redis_url: str, stream_ids: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a worker of its own process that holds the streams; it is killed at the end."""
    command = [sys.executable, "-m", "tests.integration.stream.zombie_worker", redis_url, *stream_ids]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


async def wait_for_line(process: subprocess.Popen[str], wanted: str) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert (await asyncio.to_thread(process.stdout.readline)).strip() == wanted
