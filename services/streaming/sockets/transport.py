"""uvicorn's WebSocket protocol with two things that ASGI cannot say: a small kernel buffer, and an end for a
client that does not read."""

from asyncio import BaseTransport, Transport
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

SEND_BUFFER_BYTES = 64 * 1024
"""Else the kernel takes megabytes for a client that has stopped reading, and we notice late."""
ABORT_SECONDS = 5.0
EXTENSION = "storymill.transport"


class SocketTransport(WebSocketsSansIOProtocol):
    """Hands itself to the application in the scope's extensions."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        socket = transport.get_extra_info("socket")
        if socket is not None:
            socket.setsockopt(SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_BYTES)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            cast(dict[str, Any], scope["extensions"])[EXTENSION] = self

    def drop(self, code: int, reason: str) -> None:
        """Close without waiting for room in the buffer, and abort soon if the client goes on not reading."""
        transport: Transport = self.transport
        if self.close_sent or transport.is_closing():
            return
        self.conn.send_close(code, reason)
        transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.writable.set()
        self.stop_keepalive()
        self.close_timer = self.loop.call_later(ABORT_SECONDS, transport.abort)
