"""Words for stream tests: a stage with writer and hub on one Redis, rows in a dict, viewers that fold."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from redis.asyncio import Redis

from services.workers.streams.handle import StreamHandle
from services.workers.streams.writer import StreamWriter
from shared import ids
from shared.contracts.stream.cursor import Cursor
from shared.contracts.stream.fold import Fold
from shared.contracts.stream.frames import End, Frame
from shared.contracts.stream.stored_text import StoredText
from shared.stores.redis.connection import open_redis
from shared.streams.hub import StreamHub
from shared.streams.viewer import Viewer


@dataclass
class Stage:
    """A worker's writer, a hub, and the rows that Postgres would hold."""

    redis: Redis
    writer: StreamWriter
    hub: StreamHub
    rows: dict[str, StoredText] = field(default_factory=dict)

    def open(self, attempt: int = 1, stream_id: str | None = None) -> StreamHandle:
        """Claim a stream."""
        handle = self.writer.open(stream_id or ids.new_id(ids.STREAM), attempt)
        self.rows[handle.stream_id] = make_row(handle.stream_id, "running", attempt=attempt)
        return handle

    def checkpoint(self, handle: StreamHandle) -> None:
        """Store the partial text."""
        row = make_row(handle.stream_id, "running", handle.text, attempt=handle.attempt, seq=handle.cursor.seq)
        self.rows[handle.stream_id] = row

    def commit(self, handle: StreamHandle, state: str = "succeeded") -> StoredText:
        """Store the final text."""
        row = make_row(handle.stream_id, state, handle.text, attempt=handle.attempt, seq=handle.cursor.seq)
        self.rows[handle.stream_id] = row
        return row

    async def finish(self, handle: StreamHandle, state: str = "succeeded") -> End:
        """Commit, then send the end."""
        end = self.commit(handle, state).to_end()
        await handle.end(end)
        return end


def make_row(stream_id: str, status: str, text: str = "", *, attempt: int = 1, seq: int = 0) -> StoredText:
    """Return a row as Postgres would hold it."""
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return StoredText(stream_id, "proj_test", status, attempt, seq, text, len(text), sha256)


@asynccontextmanager
async def open_stage(redis_url: str, *, tick_seconds: float = 0.005) -> AsyncIterator[Stage]:
    """Start a writer and a hub; stop both."""
    rows: dict[str, StoredText] = {}
    redis = open_redis(redis_url)
    writer = StreamWriter(redis, tick_seconds=tick_seconds)
    hub = make_hub(redis_url, rows)
    await writer.start()
    await hub.start()
    try:
        yield Stage(redis, writer, hub, rows)
    finally:
        await hub.stop()
        await writer.stop()
        await redis.aclose()


def make_hub(redis_url: str, rows: dict[str, StoredText]) -> StreamHub:
    """Return one more hub over the same rows."""

    async def load_row(stream_id: str) -> StoredText | None:
        return rows.get(stream_id)

    return StreamHub(redis_url, load_row)


async def fold_to_end(viewer: Viewer, *, timeout_seconds: float = 30) -> tuple[Fold, list[Frame]]:
    """Watch until the end; return the folded text and every frame seen."""
    fold = make_fold(viewer)
    frames: list[Frame] = []
    async with asyncio.timeout(timeout_seconds):
        async for frame in viewer:
            frames.append(frame)
            fold.apply(frame.to_wire())
    return fold, frames


def make_fold(viewer: Viewer, fold: Fold | None = None) -> Fold:
    """Return a fold that has heard how the viewer begins."""
    fold = fold or Fold(viewer.stream_id)
    top = viewer.cursor if viewer.mode == "live" else viewer.top
    fold.apply({"t": "subd", "stream": viewer.stream_id, "state": viewer.state, "top": str(top), "mode": viewer.mode})
    return fold


def assert_cursors_rise(frames: list[Frame]) -> None:
    """I1: what a viewer sees has strictly increasing cursors."""
    cursors: list[Cursor] = [frame.cursor for frame in frames if frame.to_wire()["t"] != "st"]  # type: ignore[union-attr]
    assert cursors == sorted(set(cursors))
