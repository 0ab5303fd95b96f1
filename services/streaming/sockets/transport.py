"""uvicorn's WebSocket protocol with what ASGI cannot say: write now if there is room, ring when there is room
again, keep the kernel's buffer small, end a client that does not read."""

from asyncio import BaseTransport
from collections.abc import Callable
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any, Final, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

SEND_BUFFER_BYTES = 64 * 1024
"""Else the kernel takes megabytes for a client that has stopped reading, and we notice late."""
ABORT_SECONDS = 5.0
SLICE_BYTES: Final = 4096
"""So much of what a client sends is read in one go. A packet may hold thousands of its frames, and whoever reads them
all keeps the others waiting."""
SLICE_SECONDS: Final = 0.02
MOST_UNREAD_BYTES: Final = 1 << 20
EXTENSION = "storymill.transport"


class SocketTransport(WebSocketsSansIOProtocol):
    """Hands itself to the application in the scope's extensions. After the handshake the application writes here
    and not through ASGI's `send`."""

    on_writable: Callable[[], None] | None = None
    """Called when a full buffer has drained."""

    on_lost: Callable[[], None] | None = None
    """Called when the connection is gone: the door, which let it in, counts it until then."""

    _unread = b""
    """What has come and waits for its turn."""

    def data_received(self, data: bytes) -> None:
        """Read a slice of what came, and the rest slice by slice. Who still sends so much after our close is cut."""
        if self._unread or len(data) > SLICE_BYTES:
            is_first, self._unread = not self._unread, self._unread + data
            self.transport.pause_reading()
            if len(self._unread) > MOST_UNREAD_BYTES:
                self.transport.abort()
            elif is_first:
                self._read_slice()
        else:
            super().data_received(data)

    def _read_slice(self) -> None:
        if self.disconnected or self.close_sent:
            self._unread = b""
            self.transport.abort()
            return
        if not self.read_paused:  # else the application has not taken what was read before
            part, self._unread = self._unread[:SLICE_BYTES], self._unread[SLICE_BYTES:]
            super().data_received(part)
        if self._unread:
            self.transport.pause_reading()  # taking a message goes on with reading
            self.loop.call_later(SLICE_SECONDS, self._read_slice)
        elif not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the door."""
        super().connection_lost(exc)
        if self.on_lost is not None:
            self.on_lost()

    def connection_made(self, transport: BaseTransport) -> None:
        """Bound the kernel's send buffer, so that a slow reader shows after few frames."""
        super().connection_made(transport)
        socket = transport.get_extra_info("socket")
        if socket is not None:
            socket.setsockopt(SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_BYTES)

    def handle_connect(self, event: Request) -> None:
        """Put this transport into the scope that the application gets."""
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            cast(dict[str, Any], scope["extensions"])[EXTENSION] = self

    def resume_writing(self) -> None:
        """Wake whoever waits for a drained buffer."""
        super().resume_writing()
        if self.on_writable is not None:
            self.on_writable()

    @property
    def is_closing(self) -> bool:
        """Say whether nothing more can be sent."""
        return self.close_sent or self.disconnected or self.transport.is_closing()

    @property
    def has_room(self) -> bool:
        """Say whether less than asyncio's high-water mark (64 KiB) waits to be read by the client."""
        return self.writable.is_set()

    def write_message(self, message: bytes) -> None:
        """Send an encoded message. Extensions are off, so that bytes are the same for every socket."""
        self.transport.write(message)

    def close_with(self, code: int, reason: str) -> None:
        """Close after what was written, and abort soon if the client does not read or answer."""
        if self.is_closing:
            return
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(ABORT_SECONDS, self.transport.abort)
