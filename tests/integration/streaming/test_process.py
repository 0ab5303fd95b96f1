"""The service as a process: stopped in order, and killed under its viewers."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest_asyncio
import websockets
from websockets.exceptions import ConnectionClosed, WebSocketException

from services.workers.streams.handle import StreamHandle
from services.workers.streams.writer import StreamWriter
from shared.contracts.stream.fold import Fold
from shared.settings import Settings
from shared.stores.db.session import Database
from shared.stores.redis.connection import open_redis
from tests.integration.streaming.processes import ServiceProcess, service_process, streaming_process
from tests.integration.streaming.service import Account, Watcher, Worker, add_account


@pytest_asyncio.fixture
async def worker(database_url: str, redis_url: str) -> AsyncIterator[Worker]:
    """Rows and a writer on the test's stores."""
    database = Database(Settings(database_url=database_url))
    redis = open_redis(redis_url)
    writer = StreamWriter(redis)
    await writer.start()
    yield Worker(database, writer)
    await writer.stop()
    await redis.aclose()
    await database.close()


def connect(service: ServiceProcess, account: Account) -> websockets.connect:
    return websockets.connect(service.socket_url, additional_headers=account.headers, compression=None)


async def test_a_stopping_service_sends_everybody_away_with_1012_and_exits(
    worker: Worker, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    account = await add_account(worker.database, "one")
    handle = await worker.open_stream(account)
    with streaming_process(database_url, redis_url, tmp_path, drain_seconds=1) as service:
        async with connect(service, account) as socket, httpx2.AsyncClient(trust_env=False) as client:
            watcher = await Watcher.greet(socket)
            await watcher.subscribe(handle.stream_id)
            url = f"{service.base_url}/v1/streams/{handle.stream_id}"
            async with client.stream("GET", url, headers=account.headers) as events:
                lines = events.aiter_lines()
                await anext(lines)
                service.terminate()
                assert 0 <= (await watcher.wait_for("goaway"))["in_ms"] <= 1000
                rest = [line async for line in lines]
            await socket.wait_closed()
            assert socket.close_code == 1012
            assert "event: end" not in rest
        assert service.process is not None
        assert await asyncio.to_thread(service.process.wait, 10) in {0, -15}


async def watch_through_kills(service: ServiceProcess, account: Account, stream_id: str, chance: random.Random) -> Fold:
    """Watch as a good client does: come back after every cut, from the cursor."""
    fold = Fold(stream_id)
    while not fold.ended:
        try:
            async with connect(service, account) as socket:
                watcher = await Watcher.greet(socket)
                watcher.folds[stream_id] = fold
                await watcher.subscribe(stream_id, None if fold.cursor == "0-0" else fold.cursor)
                while not fold.ended and chance.random() > 0.01:
                    await watcher.read()
                assert not fold.needs_resubscribe
        except (ConnectionClosed, WebSocketException, OSError, TimeoutError):
            await asyncio.sleep(chance.uniform(0.05, 0.3))
    return fold


async def write_story(worker: Worker, handle: StreamHandle) -> str:
    for number in range(150):
        handle.write(f"第{number}句。")
        await asyncio.sleep(0.04)
    await worker.finish(handle)
    return handle.text


async def test_viewers_of_a_killed_service_lose_and_double_nothing(
    worker: Worker, database_url: str, redis_url: str, tmp_path: Path, chance: random.Random
) -> None:
    account = await add_account(worker.database, "one")
    handles = [await worker.open_stream(account) for _ in range(60)]
    with streaming_process(database_url, redis_url, tmp_path) as service:
        writing = [asyncio.create_task(write_story(worker, handle)) for handle in handles]
        watching = [
            asyncio.create_task(watch_through_kills(service, account, handle.stream_id, chance)) for handle in handles
        ]
        for _ in range(2):
            await asyncio.sleep(1.5)
            service.kill()
            await asyncio.to_thread(service.start)
        async with asyncio.timeout(60):
            texts = await asyncio.gather(*writing)
            folds = await asyncio.gather(*watching)
    assert [fold.text for fold in folds] == texts
    assert not any(fold.needs_row for fold in folds)


async def test_start_creates_a_stream_at_the_gateway_and_watches_it(
    worker: Worker, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    account = await add_account(worker.database, "one")
    reader = await add_account(worker.database, "one", ("read",))
    with (
        service_process("services.gateway", database_url, redis_url, tmp_path) as gateway,
        streaming_process(database_url, redis_url, tmp_path, gateway_url=gateway.base_url) as service,
    ):
        async with connect(service, account) as socket:
            watcher = await Watcher.greet(socket)
            await watcher.send("start", id="s", request={"model": "any", "prompt": "从前", "max_tokens": 5})
            subscribed = await watcher.wait_for("subd", id="s")
            assert subscribed["state"] == "queued"
            stream_id = subscribed["stream"]
            watcher.folds[stream_id] = Fold(stream_id)
            handle = await worker.claim(stream_id)
            handle.write("有座山")
            await worker.finish(handle)
            assert (await watcher.watch_to_end(stream_id)).text == "有座山"

            await watcher.send("start", id="bad", request={"model": "any", "prompt": {"not": "a prompt"}})
            assert (await watcher.wait_for("err", id="bad"))["error"]["type"] == "invalid_request_error"
        async with connect(service, reader) as socket:
            watcher = await Watcher.greet(socket)
            await watcher.send("start", id="r", request={"model": "any", "prompt": "x"})
            assert (await watcher.wait_for("err", id="r"))["error"]["code"] == "insufficient_permissions"
