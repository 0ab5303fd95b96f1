"""Words for tests of the streaming service: the real server on a free port, real rows, a writer as the worker."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

import httpx2
import websockets
from redis.asyncio import Redis
from sqlalchemy import update
from websockets.asyncio.client import ClientConnection

from services.streaming.app import StreamingApp
from services.streaming.server import StreamingServer
from services.streaming.settings import StreamingSettings
from services.streaming.wiring import Streaming
from services.workers.streams.handle import StreamHandle
from services.workers.streams.writer import StreamWriter
from shared import ids
from shared.auth.keys import create_key
from shared.clock import utc_now
from shared.contracts.stream.fold import Fold
from shared.contracts.stream.frames import End
from shared.settings import Settings
from shared.stores.db.models import Completion
from shared.stores.db.repositories.api_keys import add_api_key
from shared.stores.db.repositories.completions import NewCompletion, add_completions, find_stored_text
from shared.stores.db.repositories.projects import ensure_project
from shared.stores.db.session import Database
from shared.stores.redis.connection import open_redis
from storymill.launcher.ports import find_free_port
from tests.support.socket_truth import TruthfulSocket


@dataclass(frozen=True)
class Account:
    """A key with the rows behind it."""

    project_id: str
    api_key_id: str
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.secret}"}


class Worker:
    """Does with rows and streams what an interactive worker does, at the test's word."""

    def __init__(self, database: Database, writer: StreamWriter) -> None:
        self.database = database
        self.writer = writer

    async def add_stream(self, account: Account) -> str:
        """Insert a queued row, as the gateway does."""
        stream_id = ids.new_id(ids.STREAM)
        row = NewCompletion(
            stream_id, account.project_id, account.api_key_id, ids.new_id(ids.REQUEST), 0, "completion", "m", {}
        )
        async with self.database.transaction() as session:
            await add_completions(session, [row])
        return stream_id

    async def claim(self, stream_id: str, attempt: int = 1) -> StreamHandle:
        """Take the row and open its stream."""
        await self.set_row(stream_id, status="running", attempt=attempt)
        handle = self.writer.open(stream_id, attempt)
        await handle.begin("worker_lost")
        return handle

    async def open_stream(self, account: Account) -> StreamHandle:
        """Insert and claim."""
        return await self.claim(await self.add_stream(account))

    async def commit(self, handle: StreamHandle, status: str = "succeeded") -> End:
        """Store the whole text and return the end frame that is due."""
        await self.set_row(
            handle.stream_id,
            status=status,
            text=handle.text,
            text_seq=handle.cursor.seq,
            sha256=hashlib.sha256(handle.text.encode()).hexdigest(),
            finish_reason="stop",
            finished_at=utc_now(),
        )
        async with self.database.transaction() as session:
            stored = await find_stored_text(session, handle.stream_id)
        assert stored is not None
        return stored.to_end()

    async def finish(self, handle: StreamHandle, status: str = "succeeded") -> End:
        """Commit, then send the end."""
        end = await self.commit(handle, status)
        await handle.end(end)
        return end

    async def set_row(self, stream_id: str, **values: Any) -> None:
        """Change a row."""
        async with self.database.transaction() as session:
            await session.execute(update(Completion).where(Completion.id == stream_id).values(**values))


@dataclass
class Service:
    """A running streaming service and what a test needs around it."""

    streaming: Streaming
    server: StreamingServer
    worker: Worker
    redis: Redis
    base_url: str
    account: Account
    serving: asyncio.Task[None]

    @property
    def socket_url(self) -> str:
        return self.base_url.replace("http", "ws", 1) + "/v1/streams"

    def connect(self, account: Account | None = None, **options: Any) -> websockets.connect:
        """Open a socket with a key in the handshake."""
        headers = (account or self.account).headers
        options = {"create_connection": TruthfulSocket, "compression": None, **options}
        return websockets.connect(self.socket_url, additional_headers=headers, **options)

    def client(self) -> httpx2.AsyncClient:
        """Return an HTTP client with the account's key."""
        return httpx2.AsyncClient(base_url=self.base_url, headers=self.account.headers, trust_env=False)

    async def add_account(self, project: str, scopes: tuple[str, ...] = ("read", "write")) -> Account:
        """Make a key."""
        return await add_account(self.streaming.database, project, scopes)


async def add_account(database: Database, project: str, scopes: tuple[str, ...] = ("read", "write")) -> Account:
    """Insert a project and a key of it."""
    key = create_key()
    async with database.transaction() as session:
        owner = await ensure_project(session, project)
        row = await add_api_key(
            session,
            project_id=owner.id,
            name="test",
            prefix=key.shown_prefix,
            key_hash=key.key_hash,
            scopes=list(scopes),
        )
    return Account(owner.id, row.id, key.secret)


@asynccontextmanager
async def serve(database_url: str, redis_url: str, **settings: Any) -> AsyncIterator[Service]:
    """Run the service in this loop, with a worker beside it."""
    common = {"database_url": database_url, "redis_url": redis_url}
    streaming = Streaming.build(StreamingSettings(**{"drain_seconds": 0.2, **common, **settings}))
    port = find_free_port()
    server = StreamingServer(StreamingApp(streaming), "127.0.0.1", port)
    database = Database(Settings(**common))
    redis = open_redis(redis_url)
    writer = StreamWriter(redis, tick_seconds=0.005)
    await writer.start()
    account = await add_account(database, "one")
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110 - uvicorn tells it by a flag
            await asyncio.sleep(0.01)
        yield Service(streaming, server, Worker(database, writer), redis, f"http://127.0.0.1:{port}", account, serving)
    finally:
        server.should_exit = True
        with suppress(TimeoutError):
            await asyncio.wait_for(serving, 10)
        await writer.stop()
        await redis.aclose()
        await database.close()


class Watcher:
    """A client of the socket: folds what comes, remembers every frame."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []
        self.folds: dict[str, Fold] = {}

    @classmethod
    async def greet(cls, socket: ClientConnection) -> Self:
        """Wait for the hello."""
        watcher = cls(socket)
        await watcher.wait_for("hello")
        return watcher

    async def send(self, frame_type: str, **fields: Any) -> None:
        """Send a client frame."""
        await self.socket.send(json.dumps({"t": frame_type, **fields}))

    async def subscribe(self, stream_id: str, cursor: str | None = None, frame_id: str = "s") -> dict[str, Any]:
        """Subscribe and wait for the answer."""
        self.folds.setdefault(stream_id, Fold(stream_id))
        await self.send("sub", id=frame_id, stream=stream_id, **({} if cursor is None else {"from": cursor}))
        return await self.wait_for("subd", stream=stream_id)

    async def wait_for(self, frame_type: str, *, timeout_seconds: float = 15, **fields: Any) -> dict[str, Any]:
        """Read until a frame of this type and fields has come."""
        async with asyncio.timeout(timeout_seconds):
            while True:
                for frame in await self.read():
                    if frame["t"] == frame_type and fields.items() <= frame.items():
                        return frame

    async def read(self) -> list[dict[str, Any]]:
        """Read one message and fold it."""
        message = json.loads(await self.socket.recv())
        frames = message if isinstance(message, list) else [message]
        self.frames += frames
        for frame in frames:
            fold = self.folds.get(frame.get("stream", ""))
            if fold is not None:
                fold.apply(frame)
        return frames

    async def watch_to_end(self, stream_id: str) -> Fold:
        """Read until the stream has ended."""
        fold = self.folds[stream_id]
        async with asyncio.timeout(30):
            while not fold.ended:
                await self.read()
        return fold


async def read_events(response: httpx2.Response) -> AsyncIterator[tuple[str | None, str, dict[str, Any]]]:
    """Read server-sent events: id, event, data."""
    event_id, name, data = None, "message", ""
    async for line in response.aiter_lines():
        field_name, _, value = line.partition(": ")
        if field_name == "id":
            event_id = value
        elif field_name == "event":
            name = value
        elif field_name == "data":
            data = value
        elif not line and data:
            yield event_id, name, json.loads(data)
            event_id, name, data = None, "message", ""
