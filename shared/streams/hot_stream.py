"""One stream that somebody watches here: joins it without a hole, keeps it whole, tells its viewers.

Joining is: subscribe and wait for the acknowledgement, gather live frames, read the log after our cursor once,
then the gathered frames, dropping what the log had. A hole is filled the same way; what the log cannot fill,
Postgres does. Knows nothing of sockets.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from shared.contracts.statuses import STREAM_AT_REST
from shared.contracts.stream.cursor import START, Cursor
from shared.contracts.stream.errors import InvalidFrameError
from shared.contracts.stream.frames import State, decode, split_header
from shared.contracts.stream.names import live_channel
from shared.contracts.stream.packet import Packet
from shared.contracts.stream.stored_text import StoredText
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.streams.buffer import FrameResult, StreamBuffer
from shared.streams.live_feed import LiveFeed
from shared.streams.log_reader import LogReader
from shared.streams.viewer import Viewer

LONGEST_BACKLOG = 10_000
"""Frames gathered while the log is read; beyond it they are dropped and read from the log again."""
SYNC_PAUSE_SECONDS = 0.25
"""Between two reads of a log that has a hole: the writer closes it with its next frame."""

LoadRow = Callable[[str], Awaitable[StoredText | None]]

log = get_logger(__name__)


@dataclass(slots=True)
class HubCounters:
    """What the hub has done since it started, for metrics."""

    frames: int = 0
    stale_frames: int = 0
    gaps: int = 0
    log_reads: int = 0
    row_loads: int = 0
    reconnects: int = 0


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a stream comes from: the live feed, the log, the row."""

    feed: LiveFeed
    reader: LogReader
    load_row: LoadRow
    counters: HubCounters


class HotStream:
    """The buffer of a stream with the viewers on it."""

    def __init__(self, stream_id: str, sources: Sources, on_unwatched: Callable[["HotStream"], None]) -> None:
        self.stream_id = stream_id
        self.buffer = StreamBuffer(stream_id)
        self.viewers: set[Viewer] = set()
        self.joining = 0
        """Who waits to become a viewer."""
        self.state = "queued"
        self.state_serial = 0
        self.state_packet = Packet((State(stream_id, self.state),))
        self.heard_at = asyncio.get_running_loop().time()
        self.row_looked_at = 0.0
        self.unleased_since: float | None = None
        self.has_joined = False
        """Whether the log was read once since the stream became hot."""
        self._sources = sources
        self._on_unwatched = on_unwatched
        self._backlog: list[bytes] = []
        self._sync_task: asyncio.Task[None] | None = None
        self._row_task: asyncio.Task[None] | None = None
        self._is_sync_due = False
        self._has_hole = False
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def has_ended(self) -> bool:
        """Say whether the buffer holds the end."""
        return self.buffer.end is not None

    @property
    def is_syncing(self) -> bool:
        """Say whether the log is being read."""
        return self._sync_task is not None and not self._sync_task.done()

    def start_sync(self) -> None:
        """Subscribe if need be and read the log after our cursor. One at a time; asked for meanwhile, once more."""
        if self.is_syncing:
            self._is_sync_due = True
        elif not self.has_ended:
            self._sync_task = asyncio.create_task(self._sync(), name=f"sync {self.stream_id}")

    def start_row_look(self) -> None:
        """Ask Postgres how the stream stands. One at a time."""
        if (self._row_task is None or self._row_task.done()) and not self.has_ended:
            self._row_task = asyncio.create_task(self._look_at_row(), name=f"row {self.stream_id}")

    async def wait_until_at(self, cursor: Cursor, timeout_seconds: float) -> None:
        """Return when the log has been read and reaches `cursor`, or the stream is over, or the time is up."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while not self.has_ended and not (self.has_joined and self.buffer.cursor >= cursor):
                    await self._wait_for_progress()
        except TimeoutError:
            log.info("stream_not_reached", stream=self.stream_id, cursor=str(cursor), top=str(self.buffer.cursor))

    async def _wait_for_progress(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def receive(self, payload: bytes) -> None:
        """Take in a live message."""
        self.heard_at = asyncio.get_running_loop().time()
        try:
            header, body = split_header(payload)
            if header.last_seq == 0:
                frame = decode(body)
                if isinstance(frame, State):
                    self.set_state(frame.state)
            elif header.cursor <= self.buffer.cursor:
                self._sources.counters.stale_frames += 1
            elif self.is_syncing:
                if len(self._backlog) < LONGEST_BACKLOG:
                    self._backlog.append(payload)
            elif self._apply(payload) is FrameResult.GAP:
                self._backlog.append(payload)
                self.start_sync()
        except InvalidFrameError as error:
            log.warning("stream_frame_unreadable", stream=self.stream_id, error=error.message)

    def take_row(self, row: StoredText) -> None:
        """Take in what Postgres has: the end of a finished row, a checkpoint that is ahead of us, the state."""
        if self.has_ended:
            return
        if row.is_final:
            self._finish(row)
        else:
            if row.cursor > self.buffer.cursor and row.text:
                self.buffer.apply(row.to_snapshot())
                self._drain_backlog()
            if row.status != "running" or self.state == "queued":
                self.set_state(row.status)
        self._tell_viewers()

    def set_state(self, state: str) -> None:
        """Tell the viewers what the stream is doing, if that is new."""
        if state == self.state or self.has_ended:
            return
        self.state = state
        self.state_serial += 1
        self.state_packet = Packet((State(self.stream_id, state),))
        self._tell_viewers()

    def remove_viewer(self, viewer: Viewer) -> None:
        """Forget a viewer that left."""
        self.viewers.discard(viewer)
        if not self.viewers:
            self._on_unwatched(self)

    def close(self) -> None:
        """Stop listening; viewers left are closed."""
        for task in (self._sync_task, self._row_task):
            if task is not None:
                task.cancel()
        self._sources.feed.unsubscribe(live_channel(self.stream_id))
        for viewer in list(self.viewers):
            viewer.close()

    async def _sync(self) -> None:
        self._is_sync_due = True
        while self._is_sync_due and not self.has_ended:
            self._is_sync_due = False
            if self._has_hole:
                await asyncio.sleep(SYNC_PAUSE_SECONDS)
            try:
                await self._read_log()
            except STORE_AWAY as error:
                log.warning("stream_log_unread", stream=self.stream_id, error=str(error))
                self.start_row_look()
            except Exception:  # a defect of ours: the row has the text, too
                log.exception("stream_log_unread", stream=self.stream_id)
                self.start_row_look()

    async def _read_log(self) -> None:
        await self._sources.feed.subscribe(live_channel(self.stream_id))
        self._sources.counters.log_reads += 1
        payloads = await self._sources.reader.read(self.stream_id, self.buffer.cursor)
        self._take_log(payloads)
        self.has_joined = True
        self.heard_at = asyncio.get_running_loop().time()
        if self._has_hole:
            self._sources.counters.gaps += 1
            self.start_row_look()
        self._tell_viewers()

    def _take_log(self, payloads: list[bytes]) -> None:
        outcome = FrameResult.APPLIED
        for payload in payloads:
            outcome = self._apply(payload)
        self._drain_backlog()
        self._has_hole = outcome is FrameResult.GAP or bool(self._backlog)

    def _drain_backlog(self) -> None:
        backlog, self._backlog = self._backlog, []
        self._backlog = [payload for payload in backlog if self._apply(payload) is FrameResult.GAP]

    def _apply(self, payload: bytes) -> FrameResult:
        """Apply a frame and ring for the viewers."""
        try:
            _, body = split_header(payload)
            frame = decode(body)
        except InvalidFrameError as error:
            log.warning("stream_frame_unreadable", stream=self.stream_id, error=error.message)
            return FrameResult.STALE
        if isinstance(frame, State):
            return FrameResult.STALE
        outcome = self.buffer.apply(frame, body)
        if outcome is FrameResult.APPLIED:
            self._note_frame()
        return outcome

    def _note_frame(self) -> None:
        self._sources.counters.frames += 1
        if self.state in STREAM_AT_REST:
            self.set_state("running")
        if self.has_ended:
            self._note_end()
        self._tell_viewers()

    async def _look_at_row(self) -> None:
        self.row_looked_at = asyncio.get_running_loop().time()
        self._sources.counters.row_loads += 1
        try:
            row = await self._sources.load_row(self.stream_id)
        except Exception as error:
            # Postgres away is no reason to drop viewers: the watchdog asks again.
            log.warning("stream_row_unread", stream=self.stream_id, error=str(error))
            return
        if row is not None:
            self.take_row(row)

    def _finish(self, row: StoredText) -> None:
        """End from the committed row, with the same cursor as its worker's end would have."""
        same_text = row.cursor == self.buffer.cursor and row.chars == self.buffer.chars
        if not same_text and row.cursor <= self.buffer.cursor and self.buffer.cursor != START:
            # The row's text stops before what viewers have seen (its worker died before the last checkpoint):
            # only a later attempt may take text back.
            row = replace(row, attempt=row.attempt + 1, seq=0)
        if not same_text:
            self.buffer.apply(row.to_snapshot())
        self.buffer.apply(row.to_end())
        self._note_end()

    def _note_end(self) -> None:
        self._backlog.clear()
        self._sources.feed.unsubscribe(live_channel(self.stream_id))

    def _tell_viewers(self) -> None:
        for viewer in list(self.viewers):
            viewer.ring()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
