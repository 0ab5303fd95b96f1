"""One stream as its worker sees it: text in, frames out. Buffers only; the writer's flusher does the sending."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from services.workers.streams.append_script import (
    DUPLICATE,
    ENDED_TTL_SECONDS,
    FENCED,
    OK,
    RESEED,
    RUNNING_TTL_SECONDS,
    SNAPSHOT_EVERY,
    Entry,
)
from shared.contracts.stream.cursor import Cursor
from shared.contracts.stream.errors import StreamFencedError, StreamUnavailableError
from shared.contracts.stream.frames import Delta, End, Rewind, Snapshot, State, encode_with_header

TTL_REFRESH_SECONDS = 60
ABANDON_SECONDS = 1.0
SETTLED = frozenset({OK, DUPLICATE})


class StreamHandle:
    """The open stream of one attempt. Made by `StreamWriter.open`; methods that only buffer are not async."""

    def __init__(
        self,
        stream_id: str,
        attempt: int,
        *,
        flush_bytes: int,
        wake: Callable[["StreamHandle", bool], None],
        forget: Callable[["StreamHandle"], None],
    ) -> None:
        self.stream_id = stream_id
        self.attempt = attempt
        self.fenced = asyncio.Event()
        """Set when a later attempt owns the stream: stop the upstream call, write nothing more."""
        self.lease_taken = False
        """Whether Redis knows that this attempt owns the stream. For the flusher."""
        self._flush_bytes = flush_bytes
        self._wake = wake
        self._forget = forget
        self._seq = 0
        self._chars = 0
        self._parts: list[str] = []
        self._extra: list[dict[str, Any]] = []
        self._extra_at: list[int] = []
        self._pending: list[str] = []
        self._pending_extra: list[dict[str, Any]] = []
        self._pending_extra_at: list[int] = []
        self._pending_bytes = 0
        self._pending_first = 1
        self._pending_offset = 0
        self._rewind: Rewind | None = None
        self._state: str | None = None
        self._end: End | None = None
        self._outbox: deque[Entry] = deque()
        self._entries_since_snapshot = 0
        self._ttl_due_at = 0.0
        self._settled = asyncio.Event()
        self._settled.set()
        if attempt > 1:
            self._rewind_to_start("retry")

    @property
    def cursor(self) -> Cursor:
        """The cursor that everything written so far reaches: store its `seq` beside a checkpoint."""
        return Cursor(self.attempt, self._seq)

    @property
    def end_cursor(self) -> Cursor:
        """The cursor of the end frame."""
        return self.cursor.next()

    @property
    def chars(self) -> int:
        """Code points written so far."""
        return self._chars

    @property
    def text(self) -> str:
        """The text written so far."""
        if len(self._parts) > 1:
            self._parts[:] = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    async def begin(self, why: str | None = None) -> None:
        """Take the stream over from earlier attempts. Viewers keep the old text until the first new text comes,
        with a rewind that says `why`. Does not wait for Redis."""
        if self._rewind is not None and why is not None:
            self._rewind_to_start(why)
        self._wake(self, True)

    def write(self, text: str) -> None:
        """Append text, whole code points. The first goes out at once, the rest once a tick.

        Raises: UnicodeEncodeError for lone surrogates; nothing is written then."""
        if not text:
            return
        size = len(text.encode())
        self._seq += 1
        self._chars += len(text)
        self._parts.append(text)
        self._pending.append(text)
        self._pending_bytes += size
        self._touch()

    def write_extra(self, delta: dict[str, Any]) -> None:
        """Append a raw choice delta that has no text (a piece of a tool call, log probabilities), before the text that
        is written next."""
        self._seq += 1
        self._extra.append(delta)
        self._extra_at.append(self._chars)
        self._pending_extra.append(delta)
        self._pending_extra_at.append(self._chars)
        self._touch()

    def state(self, state: str) -> None:
        """Tell the viewers what is going on: `running`, `finalizing`. Not kept, not retried."""
        self._state = state
        self._wake(self, False)

    async def flush(self, timeout_seconds: float = 60.0) -> None:
        """Wait until Redis has everything written so far. Raises: StreamFencedError when a later attempt owns the
        stream, StreamUnavailableError when Redis took nothing in time."""
        if self._has_frames():
            self._settled.clear()
            self._wake(self, True)
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._settled.wait()
        except TimeoutError as error:
            raise StreamUnavailableError(
                f"Redis took no frames of {self.stream_id} for {timeout_seconds:g} s"
            ) from error
        if self.fenced.is_set():
            raise StreamFencedError(f"{self.stream_id} belongs to a later attempt than {self.attempt}")

    async def end(self, end: End, timeout_seconds: float = 60.0) -> None:
        """Send what is pending, then the end frame. Call after the commit; then mark the row's end as published.

        Raises: StreamFencedError when a later attempt owns the stream; StreamUnavailableError when Redis took
        nothing in time (the reaper will send the end)."""
        self._end = end
        try:
            await self.flush(timeout_seconds)
        finally:
            self._forget(self)

    async def abandon(self) -> None:
        """Send what is pending if Redis takes it soon, and give the stream up without an end: the attempt failed
        or the worker stops, and another attempt will follow."""
        try:
            await self.flush(ABANDON_SECONDS)
        except (StreamFencedError, StreamUnavailableError):
            pass
        finally:
            self._forget(self)

    def collect(self, now: float) -> list[Entry]:
        """Return what to send now: a state, and the oldest entry that Redis has not taken. An entry comes again,
        unchanged, until it is settled, so that a retry of a write that did arrive is recognised; the next one
        waits for it, so that no hole can arise. For the flusher."""
        state = self._take_state()
        if not self._outbox:
            self._build_text(now)
            self._build_end()
        return [*state, self._outbox[0]] if self._outbox else state

    def settle(self, entry: Entry, answer: bytes) -> None:
        """Take note of what Redis said to one entry. For the flusher."""
        if answer == FENCED:
            self._outbox.clear()
            self.fenced.set()
        elif answer == RESEED:
            self._reseed()
        elif answer in SETTLED and self._outbox and self._outbox[0] is entry:
            self._outbox.popleft()
        if self.fenced.is_set() or not self._has_frames():
            self._settled.set()

    def mark_fenced(self) -> None:
        """Stop the stream: its lease belongs to a later attempt."""
        self._outbox.clear()
        self.fenced.set()
        self._settled.set()

    @property
    def has_work(self) -> bool:
        """Say whether there is anything to send."""
        return not self.fenced.is_set() and (self._state is not None or self._has_frames())

    @property
    def is_behind(self) -> bool:
        """Say whether an entry is built that Redis has not taken."""
        return bool(self._outbox) and not self.fenced.is_set()

    def _has_frames(self) -> bool:
        return bool(self._outbox or self._pending or self._pending_extra or self._end is not None)

    def _touch(self) -> None:
        self._settled.clear()
        is_first = self._seq - 1 == (1 if self.attempt > 1 else 0)
        self._wake(self, is_first or self._pending_bytes >= self._flush_bytes)

    def _rewind_to_start(self, why: str) -> None:
        self._seq = 1
        self._pending_first = 2
        self._rewind = Rewind(self.stream_id, Cursor(self.attempt, 1), 0, why)

    def _take_state(self) -> list[Entry]:
        if self._state is None:
            return []
        frame = State(self.stream_id, self._state)
        self._state = None
        return [Entry(self.attempt, 0, 0, b"", encode_with_header(frame))]

    def _build_rewind(self) -> None:
        if self._rewind is not None:
            self._outbox.append(Entry(self.attempt, 1, 1, encode_with_header(self._rewind)))
            self._rewind = None

    def _build_text(self, now: float) -> None:
        if not self._pending and not self._pending_extra:
            return
        self._build_rewind()
        first = Cursor(self.attempt, self._pending_first)
        text = "".join(self._pending)
        extra, places = tuple(self._pending_extra), tuple(self._pending_extra_at)
        delta = Delta(self.stream_id, first, self.cursor, self._pending_offset, text, extra, places)
        self._outbox.append(self._build_entry(delta, self._refresh_ttl(now)))
        self._forget_pending()

    def _build_entry(self, delta: Delta, ttl_seconds: int | None) -> Entry:
        payload = encode_with_header(delta)
        self._entries_since_snapshot += 1
        if self._entries_since_snapshot < SNAPSHOT_EVERY:
            return Entry(self.attempt, delta.first.seq, self._seq, payload, ttl_seconds=ttl_seconds)
        # The log is trimmed behind us: from time to time an entry holds the whole text. Viewers get the delta.
        self._entries_since_snapshot = 0
        whole = encode_with_header(self._build_snapshot())
        return Entry(self.attempt, delta.first.seq, self._seq, whole, payload, ttl_seconds)

    def _build_end(self) -> None:
        if self._end is not None:
            self._build_rewind()
            payload = encode_with_header(self._end)
            seq = self._end.cursor.seq
            self._outbox.append(Entry(self.attempt, seq, seq, payload, ttl_seconds=ENDED_TTL_SECONDS))
            self._end = None

    def _build_snapshot(self) -> Snapshot:
        return Snapshot(self.stream_id, self.cursor, self.text, tuple(self._extra), tuple(self._extra_at))

    def _reseed(self) -> None:
        """The log is gone: begin it again with the whole text, so that every cursor given out stays valid."""
        ends = [entry for entry in self._outbox if entry.ttl_seconds == ENDED_TTL_SECONDS]
        self._outbox.clear()
        self._rewind = None
        self._forget_pending()
        if self._seq:
            whole = encode_with_header(self._build_snapshot())
            self._outbox.append(Entry(self.attempt, 1, self._seq, whole, ttl_seconds=RUNNING_TTL_SECONDS))
        self._outbox.extend(ends)

    def _forget_pending(self) -> None:
        self._pending.clear()
        self._pending_extra.clear()
        self._pending_extra_at.clear()
        self._pending_bytes = 0
        self._pending_first = self._seq + 1
        self._pending_offset = self._chars

    def _refresh_ttl(self, now: float) -> int | None:
        if now < self._ttl_due_at:
            return None
        self._ttl_due_at = now + TTL_REFRESH_SECONDS
        return RUNNING_TTL_SECONDS
