"""The hub on a real Redis: each known failure of other systems is a test here."""

import asyncio
from pathlib import Path

from services.workers.streams.ending import publish_end
from shared import ids
from shared.contracts.stream.cursor import Cursor
from shared.contracts.stream.frames import Delta, Rewind, Snapshot, State, encode_with_header
from shared.contracts.stream.names import lease_key, log_key
from tests.integration.stream.watching import (
    assert_cursors_rise,
    fold_to_end,
    make_hub,
    make_row,
    open_stage,
)
from tests.support.stack import PrivateRedis, eventually


async def test_a_viewer_from_the_start_sees_every_character_and_one_end(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        handle = stage.open()
        viewer = await stage.hub.attach(handle.stream_id)
        watching = asyncio.create_task(fold_to_end(viewer))
        for number in range(200):
            handle.write(f"词{number} ")
            await asyncio.sleep(0.001)
        end = await stage.finish(handle)
        fold, frames = await watching
        assert fold.text == stage.rows[handle.stream_id].text
        assert frames[-1] == end
        assert not fold.needs_row
        assert_cursors_rise(frames)


async def test_joining_at_any_moment_loses_nothing_between_log_and_live(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        handle = stage.open()
        hubs = [make_hub(redis_url, stage.rows) for _ in range(4)]
        for hub in hubs:
            await hub.start()
        watching = []
        for number in range(300):
            handle.write(f"{number},")
            if number % 3 == 0:
                viewer = await hubs[number % 4].attach(handle.stream_id)
                watching.append(asyncio.create_task(fold_to_end(viewer)))
            await asyncio.sleep(0)
        await stage.finish(handle)
        for fold, frames in await asyncio.gather(*watching):
            assert fold.text == handle.text
            assert not fold.needs_row
            assert_cursors_rise(frames)
        for hub in hubs:
            await hub.stop()


async def test_a_viewer_resumes_from_its_cursor_with_one_delta(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        handle = stage.open()
        for token in "abcdef":
            handle.write(token)
            await handle.flush()
        viewer = await stage.hub.attach(handle.stream_id, Cursor(1, 2))
        assert viewer.mode == "delta"
        assert await anext(viewer) == Delta(handle.stream_id, Cursor(1, 3), Cursor(1, 6), 2, "cdef")


async def test_a_cursor_that_was_never_given_out_gets_a_snapshot(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        handle = stage.open()
        handle.write("text")
        await stage.finish(handle)
        for strange in (Cursor(1, 99), Cursor(7, 1)):
            viewer = await stage.hub.attach(handle.stream_id, strange)
            assert viewer.mode == "snapshot"
            assert await anext(viewer) == Snapshot(handle.stream_id, Cursor(1, 1), "text")


async def test_a_live_viewer_gets_only_what_is_yet_to_come(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        handle = stage.open()
        handle.write("before")
        await handle.flush()
        viewer = await stage.hub.attach(handle.stream_id, live_only=True)
        watching = asyncio.create_task(fold_to_end(viewer))
        handle.write("after")
        await stage.finish(handle)
        fold, _ = await watching
        assert fold.text == "after"
        assert fold.is_partial


async def test_a_slow_viewer_gets_what_it_missed_as_one_delta(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        handle = stage.open()
        viewer = await stage.hub.attach(handle.stream_id)
        for _ in range(50):
            handle.write("x")
            await handle.flush()
        await eventually(lambda: viewer.top == Cursor(1, 50))
        frames = [frame for packet in viewer.take() for frame in packet.frames]
        assert frames[-1] == Delta(handle.stream_id, Cursor(1, 1), Cursor(1, 50), 0, "x" * 50)
        assert viewer.take() == []


async def test_a_retry_rewinds_every_viewer_and_mixes_no_attempts(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        first = stage.open(1)
        viewer = await stage.hub.attach(first.stream_id)
        watching = asyncio.create_task(fold_to_end(viewer))
        first.write("dead end")
        await first.flush()
        second = stage.open(2, first.stream_id)
        await second.begin("worker_lost")
        late = asyncio.create_task(fold_to_end(await stage.hub.attach(first.stream_id)))
        resumed = asyncio.create_task(fold_to_end(await stage.hub.attach(first.stream_id, Cursor(1, 1))))
        second.write("once ")
        second.write("upon")
        await stage.finish(second)
        fold, frames = await watching
        assert fold.text == "once upon"
        assert any(isinstance(frame, Rewind) and frame.why == "worker_lost" for frame in frames)
        assert_cursors_rise(frames)
        assert (await late)[0].text == "once upon"
        assert (await resumed)[0].text == "once upon"


async def test_a_lost_end_is_taken_from_the_row(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        handle = stage.open()
        viewer = await stage.hub.attach(handle.stream_id)
        handle.write("the whole text")
        await handle.flush()
        row = stage.commit(handle)
        await handle.abandon()
        await stage.redis.delete(lease_key(handle.stream_id))
        fold, frames = await fold_to_end(viewer, timeout_seconds=10)
        assert fold.text == "the whole text"
        assert frames[-1] == row.to_end()


async def test_a_last_frame_that_was_written_but_never_heard_is_read_from_the_log(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        handle = stage.open()
        viewer = await stage.hub.attach(handle.stream_id)
        handle.write("heard, ")
        await handle.flush()
        await eventually(lambda: viewer.top == Cursor(1, 1))
        unheard = Delta(handle.stream_id, Cursor(1, 2), Cursor(1, 2), 7, "unheard")
        await stage.redis.xadd(log_key(handle.stream_id), {"f": encode_with_header(unheard)}, id="1-2")
        await eventually(lambda: viewer.top == Cursor(1, 2), timeout_seconds=5)
        handle.write("unheard")
        await stage.finish(handle)
        assert (await fold_to_end(viewer))[0].text == "heard, unheard"


async def test_the_reapers_end_reaches_viewers_and_joiners_once(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        handle = stage.open()
        viewer = await stage.hub.attach(handle.stream_id)
        handle.write("text")
        await handle.flush()
        row = stage.commit(handle)
        await publish_end(stage.redis, row.to_end())
        await publish_end(stage.redis, row.to_end())
        fold, frames = await fold_to_end(viewer)
        assert [frame for frame in frames if frame.to_wire()["t"] == "end"] == [row.to_end()]
        assert fold.text == "text"
        assert (await fold_to_end(await stage.hub.attach(handle.stream_id)))[0].text == "text"


async def test_a_stream_cancelled_before_it_began_ends_at_once(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        stream_id = ids.new_id(ids.STREAM)
        stage.rows[stream_id] = make_row(stream_id, "queued", attempt=0)
        viewer = await stage.hub.attach(stream_id)
        row = stage.rows[stream_id] = make_row(stream_id, "cancelled", attempt=0)
        await publish_end(stage.redis, row.to_end())
        fold, frames = await fold_to_end(viewer, timeout_seconds=1)
        assert frames == [row.to_end()]
        assert fold.end is not None
        assert fold.end["state"] == "cancelled"


async def test_a_finished_stream_is_answered_from_postgres_when_the_log_is_gone(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        handle = stage.open()
        handle.write("kept")
        await stage.finish(handle)
        await stage.redis.flushdb()
        viewer = await stage.hub.attach(handle.stream_id)
        fold, _ = await fold_to_end(viewer, timeout_seconds=5)
        assert fold.text == "kept"
        again = await stage.hub.attach(handle.stream_id, viewer.cursor)
        assert [frame async for frame in again] == []


async def test_a_row_shorter_than_what_was_streamed_takes_the_text_back(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        handle = stage.open()
        viewer = await stage.hub.attach(handle.stream_id)
        handle.write("checkpointed ")
        stage.checkpoint(handle)
        seq = handle.cursor.seq
        handle.write("and lost")
        await handle.flush()
        await handle.abandon()
        await eventually(lambda: viewer.top == handle.cursor)
        row = make_row(handle.stream_id, "failed", "checkpointed ", seq=seq)
        stage.rows[handle.stream_id] = row
        await stage.redis.delete(lease_key(handle.stream_id))
        fold, frames = await fold_to_end(viewer, timeout_seconds=10)
        assert fold.text == "checkpointed "
        assert not fold.needs_row
        assert_cursors_rise(frames)


async def test_a_dead_worker_shows_as_stalled_and_its_successor_goes_on(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        first = stage.open()
        viewer = await stage.hub.attach(first.stream_id)
        watching = asyncio.create_task(fold_to_end(viewer))
        first.write("half")
        await first.flush()
        await first.abandon()
        await stage.redis.delete(lease_key(first.stream_id))
        await eventually(lambda: viewer.state == "stalled", timeout_seconds=5)
        second = stage.open(2, first.stream_id)
        await second.begin("worker_lost")
        second.write("whole")
        await stage.finish(second)
        fold, frames = await watching
        assert State(first.stream_id, "stalled") in frames
        assert fold.text == "whole"


async def test_a_flushed_redis_loses_no_text_for_viewers_or_joiners(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        handle = stage.open()
        viewer = await stage.hub.attach(handle.stream_id)
        watching = asyncio.create_task(fold_to_end(viewer))
        handle.write("before ")
        await handle.flush()
        await stage.redis.flushdb()
        joiner_hub = make_hub(redis_url, stage.rows)
        await joiner_hub.start()
        joiner = asyncio.create_task(fold_to_end(await joiner_hub.attach(handle.stream_id)))
        handle.write("after")
        await stage.finish(handle)
        assert (await watching)[0].text == "before after"
        assert (await joiner)[0].text == "before after"
        await joiner_hub.stop()


async def test_a_restarted_redis_loses_no_text(tmp_path: Path) -> None:
    with PrivateRedis(tmp_path) as server:
        async with open_stage(server.url) as stage:
            handles = [stage.open() for _ in range(20)]
            watching = [
                asyncio.create_task(fold_to_end(await stage.hub.attach(handle.stream_id))) for handle in handles
            ]
            for handle in handles:
                handle.write("before ")
                await handle.flush()
            await asyncio.to_thread(server.kill)
            for handle in handles:
                handle.write("during ")
            await asyncio.to_thread(server.start)
            for handle in handles:
                handle.write("after")
            await asyncio.gather(*(stage.finish(handle) for handle in handles))
            for fold, frames in await asyncio.gather(*watching):
                assert fold.text == "before during after"
                assert_cursors_rise(frames)
            assert stage.hub.counters.reconnects >= 2


async def test_redis_connections_do_not_grow_with_viewers(tmp_path: Path) -> None:
    with PrivateRedis(tmp_path) as server:
        async with open_stage(server.url) as stage:
            handle = stage.open()
            handle.write("x")
            await handle.flush()
            before = len(await stage.redis.client_list())
            viewers = [await stage.hub.attach(handle.stream_id) for _ in range(500)]
            others = await asyncio.gather(*(stage.hub.attach(stage.open().stream_id) for _ in range(200)))
            after = len(await stage.redis.client_list())
            assert len(viewers) + len(others) == 700
            assert after <= before + 1  # the hub's command connection opens with the first join


async def test_one_log_read_serves_everybody_who_comes_back_at_once(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        handle = stage.open()
        for _ in range(20):
            handle.write("text ")
            await handle.flush()
        viewers = await asyncio.gather(*(stage.hub.attach(handle.stream_id, Cursor(1, 5)) for _ in range(2000)))
        assert stage.hub.counters.log_reads == 1
        assert {viewer.take()[-1] for viewer in viewers} == {viewers[0]._stream.buffer.packet_after(Cursor(1, 5))}


async def test_a_stream_is_not_forgotten_while_somebody_waits_to_join_it(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        stage.hub._linger_seconds = 0.0
        handle = stage.open()
        viewer = await stage.hub.attach(handle.stream_id)
        assert stage.hub.stream_count == 1
        handle.write("heard")
        await stage.finish(handle)
        assert (await fold_to_end(viewer))[0].text == "heard"


async def test_a_stream_that_nobody_watches_is_forgotten(redis_url: str) -> None:
    async with open_stage(redis_url) as stage:
        stage.hub._linger_seconds = 0.05
        handle = stage.open()
        viewer = await stage.hub.attach(handle.stream_id)
        assert stage.hub.stream_count == 1
        viewer.close()
        await eventually(lambda: stage.hub.stream_count == 0, timeout_seconds=5)
        viewer = await stage.hub.attach(handle.stream_id)
        handle.write("again")
        await stage.finish(handle)
        assert (await fold_to_end(viewer))[0].text == "again"
