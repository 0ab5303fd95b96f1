"""A provider whose every token is the time at which it was sent, as cheaply as Python can: the benchmark is about
those who stand before it. A request says in `max_tokens` how many it wants and in `user` how many a second, 0 for all
at once.

Run it: `python -m benchmarks.interactive_upstream`."""

import argparse
import asyncio
import json
import re
import time
from typing import Final, cast

import uvloop

from benchmarks.volume_upstream import MODELS, content_length

MAX_TOKENS: Final = re.compile(rb'"max_(?:completion_)?tokens": ?(\d+)')
PACE: Final = re.compile(rb'"user": ?"(\d+)"')
"""Tokens a second, in a field that everybody passes on; 0 sends them all at once."""
HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK: Final = {"id": "c", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "bench-1"}


def write_event(body: dict[str, object]) -> bytes:
    """Return one event as an HTTP chunk."""
    event = b"data: " + json.dumps({**CHUNK, **body}).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(event), event)


def write_token(number: int) -> bytes:
    """Return the event of one token, which says when it left."""
    content = f"{time.monotonic_ns()} "
    delta = {"role": "assistant", "content": content} if number == 0 else {"content": content}
    return write_event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


def write_ending(tokens: int) -> bytes:
    """Return what comes after the last token."""
    usage = {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens}
    stop = write_event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return stop + write_event({"choices": [], "usage": usage}) + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


class Connection(asyncio.Protocol):
    """One keep-alive connection; no pipelining."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's class is none by name

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator or len(rest) < content_length(head):
            return
        self._buffer = rest[content_length(head) :]
        if head.startswith(b"GET"):
            self._write(MODELS)
            return
        tokens, pace = MAX_TOKENS.search(rest), PACE.search(rest)
        count = int(tokens[1]) if tokens else 5
        per_second = int(pace[1]) if pace else 0
        if not per_second:
            self._write(HEAD + b"".join(map(write_token, range(count))) + write_ending(count))
            return
        self._write(HEAD)
        self._send_token(0, count, per_second, asyncio.get_running_loop().time())

    def _send_token(self, number: int, count: int, per_second: int, begun: float) -> None:
        """Send a token and arrange for the next one."""
        if self._transport is None or self._transport.is_closing():
            return
        self._write(write_token(number))
        if number + 1 == count:
            self._write(write_ending(count))
            return
        due = begun + (number + 1) / per_second
        asyncio.get_running_loop().call_at(due, self._send_token, number + 1, count, per_second, begun)

    def _write(self, response: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(response)


async def serve() -> None:
    """Listen on a free port, print the base URL, run until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    uvloop.run(serve())


if __name__ == "__main__":
    main()
