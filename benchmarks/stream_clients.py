"""WebSocket clients that cost next to nothing: count messages, or hand each to a function."""

import asyncio
import base64
import os
from collections.abc import Callable

TEXT_FRAME = 0x1


class CountingClient(asyncio.Protocol):
    """Shakes hands, then counts text messages. Server frames are unmasked and, here, never fragmented."""

    def __init__(self, host: str, path: str, headers: dict[str, str], on_message: Callable[[bytes], None]) -> None:
        self.messages = 0
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = self._build_request(host, path, headers)
        self._on_message = on_message
        self._buffer = b""
        self._is_open = False
        self._transport: asyncio.Transport | None = None

    def _build_request(self, host: str, path: str, headers: dict[str, str]) -> bytes:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake as soon as the connection stands."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Read the answer to the handshake first, then frames."""
        self._buffer += data
        if not self._is_open:
            head, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            assert b" 101 " in head.split(b"\r\n")[0], head
            self._is_open = True
            self._buffer = rest
            self.opened.set_result(None)
        self._read_frames()

    def send(self, text: str) -> None:
        """Send a message under 64 KiB, masked with zeros."""
        assert self._transport is not None
        body = text.encode()
        size = bytes([0x80 | len(body)]) if len(body) < 126 else bytes([0xFE]) + len(body).to_bytes(2)
        self._transport.write(b"\x81" + size + bytes(4) + body)

    def close(self) -> None:
        """Leave without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _read_frames(self) -> None:
        buffer, start = self._buffer, 0
        while len(buffer) - start >= 2:
            size, body = buffer[start + 1] & 0x7F, start + 2
            if size == 126:
                size, body = int.from_bytes(buffer[body : body + 2]), body + 2
            elif size == 127:
                size, body = int.from_bytes(buffer[body : body + 8]), body + 8
            if len(buffer) < body + size:
                break
            if buffer[start] & 0x0F == TEXT_FRAME:
                self.messages += 1
                self._on_message(buffer[body : body + size])
            start = body + size
        self._buffer = buffer[start:]


async def connect(
    port: int, path: str, headers: dict[str, str], on_message: Callable[[bytes], None] = lambda _: None
) -> CountingClient:
    """Open a socket on loopback."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(
        lambda: CountingClient(f"127.0.0.1:{port}", path, headers, on_message), "127.0.0.1", port
    )
    await client.opened
    return client
