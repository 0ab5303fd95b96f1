"""Chat clients that cost next to nothing: raw sockets that note when the first token came and how old each was."""

import asyncio
import json
import re
import time
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import urlsplit

CONTENT: Final = re.compile(rb'"content": ?"((?:\d+ )+)"')
"""Tokens as all contestants write them: the scripted provider's are times."""
LONGEST_WAIT_SECONDS: Final = 180.0


@dataclass(frozen=True)
class Target:
    """Where chats are sent."""

    url: str
    """The base URL, ending in /v1."""
    api_key: str = "none"

    def build_request(self, tokens: int, per_second: int) -> bytes:
        """Return a whole HTTP request for a streamed chat."""
        parts = urlsplit(self.url)
        body = {
            "model": "bench-1",
            "messages": [{"role": "user", "content": "Tell a story."}],
            "max_tokens": tokens,
            "user": str(per_second),
            "stream": True,
        }
        raw = json.dumps(body).encode()
        lines = [f"POST {parts.path}/chat/completions HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"Authorization: Bearer {self.api_key}", "Content-Type: application/json"]
        return ("\r\n".join([*lines, f"Content-Length: {len(raw)}"]) + "\r\n\r\n").encode() + raw


@dataclass
class Seen:
    """What clients saw, in seconds."""

    firsts: list[float] = field(default_factory=list)
    """From the request to the first token."""
    ages: list[float] = field(default_factory=list)
    """From the provider's socket to ours, of every later token."""
    lengths: list[float] = field(default_factory=list)
    """From the request to the end."""
    failures: list[str] = field(default_factory=list)


class ChatClient(asyncio.Protocol):
    """One keep-alive connection, one chat at a time."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._last_words = b""
        self._sent_at = 0.0
        self._tokens = 0
        self._done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to ask on."""
        self._transport = cast(asyncio.Transport, transport)

    async def chat(self, request: bytes, tokens: int) -> None:
        """Send a chat and wait for its end."""
        assert self._transport is not None
        self._buffer, self._tokens, self._sent_at = b"", 0, time.monotonic()
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(LONGEST_WAIT_SECONDS):
            await self._done
        if self._tokens == tokens:
            self._seen.lengths.append(time.monotonic() - self._sent_at)
        else:
            self._seen.failures.append(f"{self._tokens} of {tokens} tokens; {self._last_words + self._buffer[-300:]!r}")

    def data_received(self, data: bytes) -> None:
        """Read the tokens of whole events."""
        now = time.monotonic_ns()
        self._buffer += data
        whole, separator, rest = self._buffer.rpartition(b"\n\n")
        if separator:
            for match in CONTENT.finditer(whole):
                for stamp in match[1].split():
                    self._note_token((now - int(stamp)) / 1e9)
            self._buffer, self._last_words = rest, whole[-300:]
        has_ended = self._buffer.endswith(b"0\r\n\r\n") or whole.startswith(b"HTTP/1.1 4")
        is_refusal = self._buffer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
        if (has_ended or is_refusal) and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let nobody wait for ever."""
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.abort()

    def _note_token(self, age: float) -> None:
        if self._tokens == 0:
            self._seen.firsts.append(time.monotonic() - self._sent_at)
        else:
            self._seen.ages.append(age)
        self._tokens += 1


async def open_client(target: Target, seen: Seen) -> ChatClient:
    """Open a connection."""
    parts = urlsplit(target.url)
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: ChatClient(seen), parts.hostname, parts.port)
    return client


async def chat_in_turn(target: Target, chats: int, connections: int, tokens: int, per_second: int) -> Seen:
    """Send `chats` chats over `connections` connections, each as soon as its last has ended."""
    seen, request = Seen(), target.build_request(tokens, per_second)

    async def work(count: int) -> None:
        client = await open_client(target, seen)
        for _ in range(count):
            await client.chat(request, tokens)
        client.close()

    await asyncio.gather(*(work(chats // connections) for _ in range(connections)))
    return seen


async def chat_together(target: Target, streams: int, tokens: int, per_second: int, *, within_seconds: float) -> Seen:
    """Start `streams` chats evenly within some seconds and wait for all."""
    seen, request = Seen(), target.build_request(tokens, per_second)
    clients = [await open_client(target, seen) for _ in range(streams)]

    async def work(number: int, client: ChatClient) -> None:
        await asyncio.sleep(within_seconds * number / streams)
        await client.chat(request, tokens)
        client.close()

    await asyncio.gather(*(work(number, client) for number, client in enumerate(clients)))
    return seen
