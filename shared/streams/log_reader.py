"""Reads of the hub from Redis over its one command connection: what is asked at the same time travels together."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from shared.contracts.stream.cursor import START, Cursor
from shared.contracts.stream.names import lease_key, log_key

MAX_READS_IN_FLIGHT = 64
"""Logs in one round trip: more would hold up everybody else behind one large answer."""
MAX_LOOKS_IN_FLIGHT = 256


@dataclass(frozen=True, slots=True)
class Look:
    """The state of one stream in Redis: the cursor of its last log entry, and whether a worker holds its lease."""

    top: Cursor | None
    is_leased: bool


class LogReader:
    """Fetches log entries and looks at tails. Raises an error of `STORE_AWAY` like the client below it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: dict[tuple[str, Cursor], asyncio.Future[list[bytes]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def read(self, stream_id: str, after: Cursor) -> list[bytes]:
        """Return the payloads of all entries after a cursor. The same question asked twice is sent once."""
        question = (stream_id, after)
        answer = self._waiting.get(question)
        if answer is None:
            answer = self._waiting[question] = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._answer_all(), name="log-reader")
        return await asyncio.shield(answer)

    async def look(self, stream_ids: Sequence[str]) -> list[Look]:
        """Return how each stream stands."""
        looks: list[Look] = []
        for start in range(0, len(stream_ids), MAX_LOOKS_IN_FLIGHT):
            pipeline = self._redis.pipeline(transaction=False)
            for stream_id in stream_ids[start : start + MAX_LOOKS_IN_FLIGHT]:
                pipeline.execute_command("XREVRANGE", log_key(stream_id), "+", "-", "COUNT", 1)
                pipeline.exists(lease_key(stream_id))
            answers = await pipeline.execute()
            looks += [_read_look(top, leased) for top, leased in zip(answers[::2], answers[1::2], strict=True)]
        return looks

    async def _answer_all(self) -> None:
        while self._waiting:
            batch = dict(list(self._waiting.items())[:MAX_READS_IN_FLIGHT])
            for question in batch:
                del self._waiting[question]
            try:
                answers = await self._read_batch(list(batch))
            except Exception as error:  # whoever asked decides
                _fail(batch.values(), error)
                continue
            for waiter, answer in zip(batch.values(), answers, strict=True):
                if not waiter.done():
                    waiter.set_result(answer)

    async def _read_batch(self, questions: Sequence[tuple[str, Cursor]]) -> list[list[bytes]]:
        pipeline = self._redis.pipeline(transaction=False)
        for stream_id, after in questions:
            start = "-" if after == START else f"({after}"
            pipeline.xrange(log_key(stream_id), min=start)
        answers = await pipeline.execute()
        return [[fields[b"f"] for _, fields in entries] for entries in answers]


def _fail(waiters: Iterable[asyncio.Future[list[bytes]]], error: Exception) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(error)
            waiter.exception()  # asked for here, so that a caller that was cancelled leaves no warning


def _read_look(entries: list[tuple[bytes, object]], leased: int) -> Look:
    top = Cursor.parse(entries[0][0].decode()) if entries else None
    return Look(top, bool(leased))
