"""The writer on a real Redis: order, retries, fences, and a Redis that loses everything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.workers.streams.handle import StreamHandle
from services.workers.streams.writer import StreamWriter
from shared import ids
from shared.contracts.stream.cursor import Cursor
from shared.contracts.stream.errors import StreamFencedError, StreamUnavailableError
from shared.contracts.stream.frames import Delta, End, Frame, Rewind, Snapshot, decode, split_header
from shared.contracts.stream.names import lease_key, log_key
from shared.stores.redis.connection import open_redis
from tests.support.stack import PrivateRedis, eventually


@asynccontextmanager
async def running_writer(url: str, tick_seconds: float = 0.02) -> AsyncIterator[tuple[StreamWriter, Redis]]:
    redis = open_redis(url)
    writer = StreamWriter(redis, tick_seconds=tick_seconds)
    await writer.start()
    try:
        yield writer, redis
    finally:
        await writer.stop()
        await redis.aclose()


async def read_log(redis: Redis, stream_id: str) -> list[tuple[str, Frame]]:
    entries = await redis.xrange(log_key(stream_id))
    return [(entry_id.decode(), decode(split_header(fields[b"f"])[1])) for entry_id, fields in entries]


def make_end(handle: StreamHandle, state: str = "succeeded") -> End:
    return End(handle.stream_id, handle.end_cursor, state, handle.chars, "0" * 64)


async def test_text_arrives_in_order_and_the_end_is_last(redis_url: str) -> None:
    async with running_writer(redis_url) as (writer, redis):
        handle = writer.open(ids.new_id(ids.STREAM), 1)
        await handle.begin()
        for token in ("从前", "有", "一座", "山", "。"):
            handle.write(token)
            await asyncio.sleep(0)
        await handle.end(make_end(handle))

        log = await read_log(redis, handle.stream_id)
        assert "".join(frame.text for _, frame in log[:-1] if isinstance(frame, Delta)) == "从前有一座山。"
        assert log[-1][0] == "1-6"
        assert isinstance(log[-1][1], End)
        assert await redis.ttl(log_key(handle.stream_id)) <= 600


async def test_tokens_of_one_tick_travel_as_one_frame(redis_url: str) -> None:
    async with running_writer(redis_url, tick_seconds=0.05) as (writer, redis):
        handle = writer.open(ids.new_id(ids.STREAM), 1)
        handle.write("a")
        await handle.flush()
        handle.write("b")
        handle.write("c")
        handle.write("d")
        await handle.flush()
        frames = [frame for _, frame in await read_log(redis, handle.stream_id)]
        assert [frame.text for frame in frames if isinstance(frame, Delta)] == ["a", "bcd"]
        assert frames[1] == Delta(handle.stream_id, Cursor(1, 2), Cursor(1, 4), 1, "bcd")


async def test_the_first_text_does_not_wait_for_the_tick(redis_url: str) -> None:
    async with running_writer(redis_url, tick_seconds=30) as (writer, redis):
        handle = writer.open(ids.new_id(ids.STREAM), 1)
        handle.write("first")
        await eventually(lambda: not handle.has_work, timeout_seconds=5)
        assert await redis.exists(log_key(handle.stream_id))


async def test_a_second_attempt_rewinds_and_fences_the_first(redis_url: str) -> None:
    async with running_writer(redis_url) as (zombie, redis), running_writer(redis_url) as (owner, _):
        stream_id = ids.new_id(ids.STREAM)
        old = zombie.open(stream_id, 1)
        old.write("old text")
        await old.flush()

        new = owner.open(stream_id, 2)
        await new.begin("worker_lost")
        await eventually(lambda: new.lease_taken)
        old.write("must not be seen")
        with pytest.raises(StreamFencedError):
            await old.flush()
        assert old.fenced.is_set()

        new.write("new text")
        await new.end(make_end(new))
        frames = [frame for _, frame in await read_log(redis, stream_id)]
        assert frames[1] == Rewind(stream_id, Cursor(2, 1), 0, "worker_lost")
        assert "must not be seen" not in str(frames)


async def test_a_zombie_is_fenced_by_the_log_when_the_lease_has_lapsed(redis_url: str) -> None:
    async with running_writer(redis_url) as (zombie, redis), running_writer(redis_url) as (owner, _):
        stream_id = ids.new_id(ids.STREAM)
        old = zombie.open(stream_id, 1)
        old.write("old")
        await old.flush()
        new = owner.open(stream_id, 2)
        new.write("new")
        await new.end(make_end(new))
        await redis.delete(lease_key(stream_id))
        old.write("zombie")
        with pytest.raises(StreamFencedError):
            await old.flush()


async def test_a_flushed_redis_gets_the_whole_text_again(redis_url: str) -> None:
    async with running_writer(redis_url) as (writer, redis):
        handle = writer.open(ids.new_id(ids.STREAM), 1)
        handle.write("before ")
        await handle.flush()
        await redis.flushdb()
        handle.write("after")
        await handle.flush()
        assert await read_log(redis, handle.stream_id) == [
            ("1-2", Snapshot(handle.stream_id, Cursor(1, 2), "before after"))
        ]
        handle.write(".")
        await handle.end(make_end(handle))
        assert [entry_id for entry_id, _ in await read_log(redis, handle.stream_id)] == ["1-2", "1-3", "1-4"]


async def test_a_redis_restart_without_persistence_loses_no_text(tmp_path: Path) -> None:
    with PrivateRedis(tmp_path) as server:
        async with running_writer(server.url) as (writer, redis):
            handles = [writer.open(ids.new_id(ids.STREAM), 1) for _ in range(50)]
            for handle in handles:
                handle.write("before ")
            await asyncio.gather(*(handle.flush() for handle in handles))
            await asyncio.to_thread(server.kill)
            for handle in handles:
                handle.write("during ")
            await asyncio.to_thread(server.start)
            for handle in handles:
                handle.write("after")
            await asyncio.gather(*(handle.end(make_end(handle)) for handle in handles))
            for handle in handles:
                frames = [frame for _, frame in await read_log(redis, handle.stream_id)]
                assert isinstance(frames[0], Snapshot)
                rest = "".join(frame.text for frame in frames[1:] if isinstance(frame, Delta))
                assert frames[0].text + rest == "before during after"
                assert isinstance(frames[-1], End)


async def test_a_paused_redis_gets_no_entry_twice(tmp_path: Path) -> None:
    with PrivateRedis(tmp_path) as server:
        async with running_writer(server.url) as (writer, redis):
            handle = writer.open(ids.new_id(ids.STREAM), 1)
            handle.write("0")
            await handle.flush()
            await redis.execute_command("CLIENT", "PAUSE", 6500)
            for number in range(1, 10):
                handle.write(str(number))
                await asyncio.sleep(0.03)
            await handle.end(make_end(handle))
            frames = [frame for _, frame in await read_log(redis, handle.stream_id)]
            assert "".join(frame.text for frame in frames if isinstance(frame, Delta)) == "0123456789"


async def test_an_end_that_redis_does_not_take_is_reported(tmp_path: Path) -> None:
    with PrivateRedis(tmp_path) as server:
        async with running_writer(server.url) as (writer, _):
            handle = writer.open(ids.new_id(ids.STREAM), 1)
            handle.write("text")
            await handle.flush()
            await asyncio.to_thread(server.kill)
            with pytest.raises(StreamUnavailableError):
                await handle.end(make_end(handle), timeout_seconds=0.5)


async def test_a_long_stream_keeps_a_bounded_log_that_still_holds_the_whole_text(redis_url: str) -> None:
    async with running_writer(redis_url, tick_seconds=0) as (writer, redis):
        handle = writer.open(ids.new_id(ids.STREAM), 1)
        for _ in range(4500):
            handle.write("x")
            await handle.flush()
        frames = [frame for _, frame in await read_log(redis, handle.stream_id)]
        assert len(frames) < 2200
        last = max(index for index, frame in enumerate(frames) if isinstance(frame, Snapshot))
        snapshot = frames[last]
        assert isinstance(snapshot, Snapshot)
        tail = "".join(frame.text for frame in frames[last + 1 :] if isinstance(frame, Delta))
        assert snapshot.text + tail == "x" * 4500


async def test_text_that_is_not_unicode_is_refused_and_harms_nobody(redis_url: str) -> None:
    async with running_writer(redis_url) as (writer, redis):
        handle = writer.open(ids.new_id(ids.STREAM), 1)
        handle.write("good")
        with pytest.raises(UnicodeEncodeError):
            handle.write("\ud83d")
        handle.write("!")
        await handle.end(make_end(handle))
        assert handle.text == "good!"
        assert (await read_log(redis, handle.stream_id))[-1][0] == "1-3"
