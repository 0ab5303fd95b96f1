"""A forward proxy as companies have them: CONNECT for TLS, absolute addresses for plain HTTP, and names that only it
can resolve, so that a provider behind it has no other way to it."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

LONGEST_HEAD = 64 * 1024


@dataclass
class ForwardProxy:
    """An async context manager. `names` maps hosts to ports of this machine; others are refused with 403."""

    names: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """The first line of each request, without the version."""
    heads: list[str] = field(default_factory=list)
    url: str = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=LONGEST_HEAD)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._serving: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._pass_on(reader, writer)
        finally:
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        self.asked.append(f"{method} {target}")
        self.heads.append(head)
        url = urlsplit(f"//{target}" if method == "CONNECT" else target)
        port = self.names.get(url.hostname or "")
        if port is None:
            writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            await writer.drain()
            return
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            there_writer.write(rewrite_head(head, url.path + (f"?{url.query}" if url.query else "")).encode())
        try:
            await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))
        finally:
            there_writer.close()


def rewrite_head(head: str, path: str) -> str:
    """Return a request's head as the server itself is asked; one request a connection."""
    first, *lines = head.rstrip("\r\n").split("\r\n")
    kept = [line for line in lines if not line.lower().startswith(("proxy-", "connection:"))]
    return "\r\n".join([f"{first.split(' ')[0]} {path} HTTP/1.1", *kept, "Connection: close", "", ""])


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes until one side ends; then the other side hears of it."""
    with suppress(OSError):
        while piece := await reader.read(LONGEST_HEAD):
            writer.write(piece)
            await writer.drain()
    writer.close()
