"""Clients that send as fast as they can: what is theirs is answered, and the others do not wait for it."""

import asyncio
import json
import time
from contextlib import suppress

import websockets
from websockets.exceptions import ConnectionClosed

from tests.integration.streaming.service import Service, Watcher, serve
from tests.support.frames import write_masked


async def close_code(socket: websockets.ClientConnection) -> int | None:
    with suppress(ConnectionClosed):
        async with asyncio.timeout(10):
            while True:
                await socket.recv()
    return socket.close_code


async def test_what_comes_in_one_packet_is_read_whole(service: Service) -> None:
    """Sixty frames, 15 kB: several slices."""
    frames = [json.dumps({"t": "sub", "id": number, "stream": "st_" + "x" * 200}) for number in range(60)]
    async with service.connect() as socket:
        watcher = await Watcher.greet(socket)
        socket.transport.write(b"".join(map(write_masked, frames)))
        async with asyncio.timeout(10):
            while len(watcher.frames) < 61:  # the greeting too
                await watcher.read()
        assert sorted(frame["id"] for frame in watcher.frames[1:]) == list(range(60))


async def test_a_flood_is_ended_and_another_client_sees_its_story_meanwhile(database_url: str, redis_url: str) -> None:
    flood = write_masked(json.dumps({"t": "sub", "id": 1, "stream": "st_none"})) * 20_000
    async with serve(database_url, redis_url) as service:
        handle = await service.worker.open_stream(service.account)
        async with service.connect() as calm:
            watcher = await Watcher.greet(calm)
            await watcher.subscribe(handle.stream_id)
            loud = [await service.connect() for _ in range(5)]
            for socket in loud:
                socket.transport.write(flood)
            begun = time.monotonic()
            handle.write("once")
            await handle.flush()
            await watcher.wait_for("d")
            assert time.monotonic() - begun < 1
            for socket in loud:
                assert await close_code(socket) in {4029, 1006}
                socket.transport.abort()
                await socket.wait_closed()
            await service.worker.finish(handle)
            assert (await watcher.watch_to_end(handle.stream_id)).text == "once"


async def test_who_was_closed_for_what_he_sent_waits_before_he_is_served(database_url: str, redis_url: str) -> None:
    async with serve(database_url, redis_url) as service:
        async with service.connect() as socket:
            await Watcher.greet(socket)
            await socket.send(json.dumps({"t": "pong", "x": "y" * 5000}))
            assert await close_code(socket) == 1009
        begun = time.monotonic()
        async with service.connect() as socket:
            await Watcher.greet(socket)
        assert 0.5 < time.monotonic() - begun < 5
