"""All streams that somebody watches in this process, on two Redis connections whatever the number of viewers.

The streaming service and the gateway's event streams use it alike; rows come through a function that they pass.
"""

import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis

from shared.cancellation import cancel_tasks
from shared.contracts.statuses import STREAM_IN_HAND
from shared.contracts.stream.cursor import NOWHERE, START, Cursor
from shared.contracts.stream.names import stream_of_channel
from shared.contracts.stream.stored_text import StoredText
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.redis.connection import open_redis
from shared.streams.hot_stream import HotStream, HubCounters, LoadRow, Sources
from shared.streams.live_feed import LiveFeed
from shared.streams.log_reader import LogReader, Look
from shared.streams.viewer import Viewer

JOIN_SECONDS = 3.0
"""How long a join waits for the log, or for a log that lost its tail to reach the viewer's cursor again."""
LINGER_SECONDS = 5.0
"""How long a stream stays warm without viewers: clients that were cut come back within it."""
WATCH_SECONDS = 1.0
ROW_LOOK_SECONDS = 2.0
"""Between two looks at the row of a stream that no worker holds."""
FORGOTTEN_SECONDS = 3.0
"""A stream whose log and lease are both gone has lost its Redis, not its worker, which renews every 2 s."""

log = get_logger(__name__)


class StreamHub:
    """Attach viewers to streams. Holds one pub/sub connection and one for commands (`redis`, shared with callers)."""

    def __init__(self, redis_url: str, load_row: LoadRow, *, linger_seconds: float = LINGER_SECONDS) -> None:
        self.redis: Redis = open_redis(redis_url, max_connections=1)
        self.counters = HubCounters()
        self._linger_seconds = linger_seconds
        self._streams: dict[str, HotStream] = {}
        self._feed = LiveFeed(redis_url, self._deliver, self._resync_all)
        self._reader = LogReader(self.redis)
        self._sources = Sources(self._feed, self._reader, load_row, self.counters)
        self._watchdog: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect in the background and start the watchdog."""
        await self._feed.start()
        self._watchdog = asyncio.create_task(self._watch(), name="stream-watchdog")

    async def stop(self) -> None:
        """Close every viewer and both connections."""
        await cancel_tasks([self._watchdog])
        for stream in list(self._streams.values()):
            stream.close()
        self._streams.clear()
        await self._feed.stop()
        await self.redis.aclose()

    async def attach(
        self,
        stream_id: str,
        after: Cursor | None = None,
        *,
        live_only: bool = False,
        stored: StoredText | None = None,
    ) -> Viewer:
        """Return a viewer that gets what follows `after` (default: everything), or only what is yet to come.

        Returns within a few seconds, also while Redis is away. Whether the stream exists and may be seen is the
        caller's to check; the row that it read for that may be passed as `stored`."""
        stream = self._streams.get(stream_id) or self._open(stream_id)
        if stored is not None and (stored.is_final or not stream.viewers):
            stream.take_row(stored)
        wanted = after or START
        stream.joining += 1  # else it may be forgotten while we wait, and the viewer would stand on a closed stream
        try:
            await stream.wait_until_at(wanted, JOIN_SECONDS)
            return _place(stream, wanted, live_only=live_only)
        finally:
            stream.joining -= 1
            self._linger(stream)

    async def ping(self) -> None:
        """Raise an error of `STORE_AWAY` when Redis does not answer."""
        await self.redis.execute_command("PING")  # type: ignore[no-untyped-call]

    @property
    def viewer_count(self) -> int:
        """Viewers attached now."""
        return sum(len(stream.viewers) for stream in self._streams.values())

    @property
    def stream_count(self) -> int:
        """Streams held in memory now."""
        return len(self._streams)

    def _open(self, stream_id: str) -> HotStream:
        stream = self._streams[stream_id] = HotStream(stream_id, self._sources, self._linger)
        stream.start_sync()
        self._linger(stream)
        return stream

    def _linger(self, stream: HotStream) -> None:
        asyncio.get_running_loop().call_later(self._linger_seconds, self._drop_if_unwatched, stream)

    def _drop_if_unwatched(self, stream: HotStream) -> None:
        if not stream.viewers and not stream.joining and self._streams.get(stream.stream_id) is stream:
            del self._streams[stream.stream_id]
            stream.close()

    def _deliver(self, channel: bytes, payload: bytes) -> None:
        stream = self._streams.get(stream_of_channel(channel.decode()))
        if stream is not None:
            stream.receive(payload)

    def _resync_all(self) -> None:
        self.counters.reconnects += 1
        for stream in self._streams.values():
            stream.start_sync()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self._mend_quiet_streams()
            except Exception:
                log.exception("stream_watch_failed")

    async def _mend_quiet_streams(self) -> None:
        """Heal what was lost without a sign: a last frame, an end, a worker."""
        now = asyncio.get_running_loop().time()
        quiet = [stream for stream in self._streams.values() if _is_quiet(stream, now)]
        looks: Sequence[Look | None]
        try:
            looks = await self._reader.look([stream.stream_id for stream in quiet])
        except STORE_AWAY as error:
            log.warning("stream_tails_unread", error=str(error))
            looks = [None] * len(quiet)
        for stream, look in zip(quiet, looks, strict=True):
            _mend(stream, look, now)


def _is_quiet(stream: HotStream, now: float) -> bool:
    return not stream.has_ended and now - stream.heard_at > WATCH_SECONDS


def _mend(stream: HotStream, look: Look | None, now: float) -> None:
    """Do for a quiet stream what its tail calls for: read the log, look at the row, say that it stalls."""
    has_more = look is not None and look.top is not None and look.top > stream.buffer.cursor
    if has_more or not stream.has_joined:
        stream.start_sync()
    if look is not None and look.is_leased:
        stream.unleased_since = None
        if stream.state == "stalled":
            stream.set_state("running")
        return
    if now - stream.row_looked_at > ROW_LOOK_SECONDS:
        stream.start_row_look()
    if look is None:
        return
    stream.unleased_since = stream.unleased_since or now
    is_worker_gone = look.top is not None or now - stream.unleased_since > FORGOTTEN_SECONDS
    if is_worker_gone and stream.state in STREAM_IN_HAND:
        stream.set_state("stalled")


def _place(stream: HotStream, wanted: Cursor, *, live_only: bool) -> Viewer:
    buffer = stream.buffer
    if live_only:
        return Viewer(stream, buffer.text_cursor, "live")
    if wanted == START:
        return Viewer(stream, START, "delta" if buffer.can_continue(START) else "snapshot")
    if buffer.can_continue(wanted):
        return Viewer(stream, wanted, "delta")
    return Viewer(stream, NOWHERE, "snapshot")
