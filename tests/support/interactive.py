"""What tests of interactive completions do and look at: submit a row as the gateway does, read row, books, stream."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis
from sqlalchemy import select

from shared import ids
from shared.contracts.queue.messages import RunCompletion
from shared.contracts.stream.names import log_key
from shared.settings import Settings
from shared.stores.db.models import Attempt, Completion, LedgerEntry
from shared.stores.db.repositories.api_keys import add_api_key
from shared.stores.db.repositories.completions import NewCompletion, add_completions, request_cancel
from shared.stores.db.repositories.projects import ensure_project
from shared.stores.db.session import Database
from shared.stores.queue.celery_app import make_celery
from shared.stores.queue.line import ServingLine
from shared.stores.queue.sender import TaskSender
from shared.stores.redis.connection import open_redis
from shared.streams.control import publish_cancel
from tests.support.upstream import MODEL

LogEntries = list[tuple[bytes, dict[bytes, bytes]]]
"""What XRANGE answers on a connection that decodes nothing: ids and fields."""

OVER = {"succeeded", "failed", "cancelled"}


@dataclass
class InteractiveBench:
    """A gateway's hands without its HTTP."""

    database: Database
    redis: Redis
    sender: TaskSender
    project_id: str
    api_key_id: str

    async def add(self, *prompts: str, kind: str = "completion", model: str = MODEL, **request: Any) -> list[str]:
        """Insert queued rows and send nothing; return their ids."""
        rows = [self.build_row(prompt, kind, model, request) for prompt in prompts]
        async with self.database.transaction() as session:
            await add_completions(session, rows)
        return [row.id for row in rows]

    async def submit(
        self,
        *prompts: str,
        kind: str = "completion",
        model: str = MODEL,
        project_id: str | None = None,
        **request: Any,
    ) -> list[str]:
        """Insert queued rows and send their messages, in the line of a project (ours); return their ids."""
        rows = await self.add(*prompts, kind=kind, model=model, **request)
        for row_id in rows:
            await self.sender.send(RunCompletion(row_id, project_id or self.project_id))
        return rows

    def build_row(self, prompt: str, kind: str, model: str, request: dict[str, Any]) -> NewCompletion:
        """Return a row that asks for a prompt."""
        asked = {"messages": [{"role": "user", "content": prompt}]} if kind == "chat" else {"prompt": prompt}
        return NewCompletion(
            id=ids.new_id(ids.STREAM),
            project_id=self.project_id,
            api_key_id=self.api_key_id,
            request_id=ids.new_id(ids.REQUEST),
            choice_index=0,
            kind=kind,
            model=model,
            request={**asked, **request},
        )

    async def cancel(self, row_id: str) -> None:
        """Cancel as the gateway does: on the row, then by message."""
        async with self.database.transaction() as session:
            await request_cancel(session, self.project_id, [row_id])
        await publish_cancel(self.redis, row_id)

    async def row(self, row_id: str) -> Completion:
        """Return the row."""
        async with self.database.transaction() as session:
            return (await session.scalars(select(Completion).where(Completion.id == row_id))).one()

    async def rows(self, row_ids: Sequence[str]) -> list[Completion]:
        """Return many rows."""
        async with self.database.transaction() as session:
            return list((await session.scalars(select(Completion).where(Completion.id.in_(row_ids)))).all())

    async def wait_until_over(self, *row_ids: str, timeout_seconds: float = 60) -> list[Completion]:
        """Wait until every row is final and its end frame published."""

        async def over() -> bool:
            return all(row.status in OVER and row.end_published for row in await self.rows(row_ids))

        await eventually_async(over, timeout_seconds=timeout_seconds, what="rows to be over")
        found = {row.id: row for row in await self.rows(row_ids)}
        return [found[row_id] for row_id in row_ids]

    async def attempts(self, row_id: str) -> list[Attempt]:
        """Return the calls made for a row, in order."""
        async with self.database.transaction() as session:
            query = select(Attempt).where(Attempt.subject_id == row_id).order_by(Attempt.number)
            return list((await session.scalars(query)).all())

    async def count_attempts(self) -> int:
        """Return how many calls are on the books."""
        async with self.database.transaction() as session:
            return len((await session.scalars(select(Attempt.id))).all())

    async def ledger(self, row_id: str) -> list[LedgerEntry]:
        """Return what is booked for a row's calls."""
        async with self.database.transaction() as session:
            query = select(LedgerEntry).join(Attempt, Attempt.id == LedgerEntry.attempt_id)
            return list((await session.scalars(query.where(Attempt.subject_id == row_id))).all())

    async def read_frames(self, row_id: str) -> list[dict[str, Any]]:
        """Return the stream's log, oldest first."""
        entries = cast(LogEntries, await self.redis.xrange(log_key(row_id)))
        return [json.loads(fields[b"f"].split(b"|", 3)[3]) for _, fields in entries]

    async def assert_stream_equals_row(self, row: Completion) -> None:
        """Fold the log strictly (no hole, one end, at the end) and compare it with the row."""
        frames = await self.read_frames(row.id)
        text, cursor = fold(frames)
        assert text == row.text
        assert [frame["t"] for frame in frames].count("end") == 1
        end = frames[-1]
        assert (end["t"], end["state"], end["chars"]) == ("end", row.status, len(row.text))
        assert end["sha256"] == row.sha256 == hashlib.sha256(row.text.encode()).hexdigest()
        assert end["c"] == f"{row.attempt}-{row.text_seq + 1}"
        assert cursor == (row.attempt, row.text_seq + 1)


def fold(frames: list[dict[str, Any]]) -> tuple[str, tuple[int, int]]:
    """Return text and cursor; every frame must follow the one before it."""
    text, at = "", (0, 0)
    for frame in frames:
        cursor = parse_cursor(frame["c"])
        assert cursor > at, f"{frame} after {at}"
        if frame["t"] == "d":
            first = parse_cursor(frame["c0"])
            assert first == (at[0], at[1] + 1) or (at == (0, 0) and first == (1, 1)), f"hole before {frame}: {at}"
            assert frame["o"] == len(text)
            text += frame["x"]
        elif frame["t"] == "n":
            text = frame["text"]
        elif frame["t"] == "r":
            text = text[: frame["o"]]
        at = cursor
    return text, at


def parse_cursor(text: str) -> tuple[int, int]:
    """Read `a-s`."""
    attempt, seq = text.split("-")
    return int(attempt), int(seq)


async def eventually_async(
    condition: Callable[[], Awaitable[bool]], *, timeout_seconds: float = 20.0, what: str = ""
) -> None:
    """`eventually` for conditions that are coroutines."""
    deadline = time.monotonic() + timeout_seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_seconds:g} s for {what or condition}")
        await asyncio.sleep(0.05)


@asynccontextmanager
async def open_bench(database_url: str, redis_url: str) -> AsyncIterator[InteractiveBench]:
    """Yield a bench with a project and a key of its own."""
    database = Database(Settings.model_validate({"database_url": database_url}))
    redis = open_redis(redis_url)
    sender = TaskSender(make_celery(redis_url), ServingLine(redis))
    async with database.transaction() as session:
        project = await ensure_project(session, "tests")
        key = await add_api_key(
            session, project_id=project.id, name="k", prefix="sm_", key_hash=ids.new_id("h"), scopes=[]
        )
        bench = InteractiveBench(database, redis, sender, project.id, key.id)
    try:
        yield bench
    finally:
        sender.close()
        await redis.aclose()
        await database.close()
