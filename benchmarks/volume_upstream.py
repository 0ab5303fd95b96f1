"""A provider that answers every completion with the same story after a fixed delay, as cheaply as Python can: the
benchmark is about its clients. `python -m benchmarks.volume_upstream --delay-seconds 0.05`; with `--texts 20000` so
many different stories in turn, made of the sentences of one bank, all ready before the first call."""

import argparse
import asyncio
import itertools
import json
import random
from collections.abc import Iterator
from typing import cast

import uvloop

STORY = "唐朝有一位少年能与风说话，他遇见了奥特曼。二人并肩击退了怪兽，长安重归安宁。" * 4
MODEL = "bench-1"


def build_response(body: dict[str, object]) -> bytes:
    """Return a whole HTTP answer."""
    raw = json.dumps(body, ensure_ascii=False).encode()
    head = (
        "HTTP/1.1 200 OK",
        "content-type: application/json",
        "x-request-id: b",
        f"content-length: {len(raw)}",
        "",
        "",
    )
    return "\r\n".join(head).encode() + raw


def answer_with(story: str) -> bytes:
    """Return a completion with a story."""
    return build_response(
        {
            "id": "cmpl-1",
            "object": "text_completion",
            "created": 1_700_000_000,
            "model": MODEL,
            "choices": [{"index": 0, "text": story, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 30, "completion_tokens": 150, "total_tokens": 180},
        }
    )


def tell_stories(count: int) -> list[bytes]:
    """Return the answers that take turns: one, or `count` that differ and have some sentences in common."""
    if not count:
        return [answer_with(STORY)]
    chance = random.Random(20230404)
    bank = ["".join(chr(chance.randrange(0x4E00, 0x9000)) for _ in range(12)) + "。" for _ in range(300)]
    return [answer_with("".join(chance.sample(bank, 12))) for _ in range(count)]


MODELS = build_response(
    {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1, "owned_by": "bench"}]}
)


class Connection(asyncio.Protocol):
    """One keep-alive connection; no pipelining."""

    def __init__(self, delay_seconds: float, answers: Iterator[bytes]) -> None:
        self._delay_seconds = delay_seconds
        self._answers = answers
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's class is none by name

    def data_received(self, data: bytes) -> None:
        """Answer each whole request after the delay."""
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator or len(rest) < content_length(head):
            return
        self._buffer = rest[content_length(head) :]
        if head.startswith(b"GET"):
            self._answer(MODELS)
        else:
            asyncio.get_running_loop().call_later(self._delay_seconds, self._answer, next(self._answers))

    def _answer(self, response: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(response)


def content_length(head: bytes) -> int:
    """Return the body's size."""
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


async def serve(delay_seconds: float, texts: int) -> None:
    """Listen on a free port, print the base URL, run until killed."""
    loop = asyncio.get_running_loop()
    answers = itertools.cycle(tell_stories(texts))
    server = await loop.create_server(lambda: Connection(delay_seconds, answers), "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay-seconds", type=float, default=0.05)
    parser.add_argument("--texts", type=int, default=0)
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.delay_seconds, arguments.texts))


if __name__ == "__main__":
    main()
