"""The writing side of one socket: what is due goes out as one message a turn of the loop; while the client does
not read, nothing is gathered for it but the cursors of its viewers. No task: an idle socket costs no stack."""

import asyncio
from collections.abc import Callable

from services.streaming.sockets.messages import encode_frames, encode_packet
from services.streaming.sockets.transport import SocketTransport
from shared.contracts.stream.frames import ServerFrame, encode
from shared.streams.viewer import Viewer

MAX_DUE_FRAMES = 1000
"""Answers to a client that asks without reading; more is abuse and they are dropped."""


class SocketWriter:
    """Sends control frames and the news of viewers, as fast as the client reads."""

    __slots__ = (
        "_close",
        "_due",
        "_is_scheduled",
        "_loop",
        "_on_ended",
        "_ringing",
        "_transport",
        "writing_since",
        "written_at",
    )

    def __init__(self, transport: SocketTransport, on_ended: Callable[[Viewer], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self.written_at = self._loop.time()
        self.writing_since: float | None = None
        """Since when something is due that the client has no room for."""
        self._transport = transport
        self._on_ended = on_ended
        self._due: list[bytes] = []
        self._ringing: dict[Viewer, None] = {}
        self._is_scheduled = False
        self._close: tuple[int, str] | None = None
        transport.on_writable = self._note_room

    def put(self, frame: ServerFrame) -> None:
        """Send a control frame."""
        if len(self._due) < MAX_DUE_FRAMES:
            self._due.append(encode(frame))
        self._schedule()

    def watch(self, viewer: Viewer) -> None:
        """Send what the viewer gets, from now on."""

        def note_news() -> None:
            self._ringing[viewer] = None
            if not self._is_scheduled:
                self._schedule()

        viewer.on_news = note_news
        note_news()

    def forget(self, viewer: Viewer) -> None:
        """Send nothing more of a viewer."""
        viewer.on_news = None
        self._ringing.pop(viewer, None)

    def close(self, code: int, reason: str = "") -> None:
        """Close the socket after what is due."""
        self._close = self._close or (code, reason)
        self._schedule()

    def drop(self, code: int, reason: str) -> None:
        """Close the socket now, whatever is due."""
        self._transport.close_with(code, reason)

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._flush)

    def _note_room(self) -> None:
        self.writing_since = None
        self._schedule()

    def _flush(self) -> None:
        self._is_scheduled = False
        if self._transport.is_closing:
            return
        if not self._transport.has_room:
            if self.writing_since is None and (self._due or self._ringing):
                self.writing_since = self._loop.time()
            return
        message = self._collect()
        if message is not None:
            self._transport.write_message(message)
            self.written_at = self._loop.time()
        if self._close is not None:
            self._transport.close_with(*self._close)

    def _collect(self) -> bytes | None:
        """Return everything that is due as one message: an object, or an array of several."""
        ringing, self._ringing = self._ringing, {}
        packets = []
        for viewer in ringing:
            packets += viewer.take()
            if viewer.has_ended:
                self._on_ended(viewer)
        if not self._due and len(packets) == 1:
            return encode_packet(packets[0])
        due, self._due = self._due, []
        count = len(due) + sum(len(packet.frames) for packet in packets)
        return encode_frames(due + [packet.json for packet in packets], count) if count else None
