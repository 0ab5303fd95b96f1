"""What a connection may cost before it is a request: silence, slow or endless heads, bodies that never come."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from shared.bounds import Bounds, LiveBounds
from shared.http.open_door import open_door
from shared.settings import Settings
from storymill.launcher.ports import find_free_port
from tests.support.interactive import eventually_async

HEAD = b"GET / HTTP/1.1\r\nhost: x\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\n"
LAST = b"connection: close\r\n\r\n"
QUICK: dict[str, Any] = {
    "door_first_byte_seconds": 0.3,
    "door_header_seconds": 0.3,
    "door_body_seconds": 0.3,
    "door_body_bytes_per_second": 200,
}
PATIENT: dict[str, Any] = {"door_first_byte_seconds": 30.0}
WAIT_SECONDS = 20.0
LARGE_BYTES = 20_000_000
"""More than the kernel keeps for a client."""


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the length of the body; on `/early` without it, on `/late` only when the client has gone, on
    `/large` with much."""
    length, more = 0, scope["path"] != "/early"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message["body"])
        more = message.get("more_body", False) or scope["path"] == "/late"
    body = str(length).encode()
    if scope["path"] == "/large":
        body = b"x" * LARGE_BYTES
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def open_server(**bounds: Any) -> AsyncIterator[int]:
    """Yield the port of a server with these bounds."""
    settings = Settings()
    door = open_door(settings, LiveBounds(Bounds(**bounds)))
    port = find_free_port()
    config = uvicorn.Config(answer, port=port, http=door, ws="none", lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    await eventually_async(lambda: is_true(server.started), what="the server to start")
    try:
        yield port
    finally:
        server.should_exit = True
        await serving


async def talk(port: int, *pieces: bytes, pause_seconds: float = 0.0) -> bytes:
    """Send pieces, and return all that the server says until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def write() -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_seconds)

    writing = asyncio.create_task(write())
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            return await reader.read()
    finally:
        writing.cancel()
        await asyncio.wait({writing})
        writer.close()


async def is_true(value: bool) -> bool:
    """Return what is to be waited for."""
    return value


async def is_answered(port: int, beginning: bytes, said: list[bytes]) -> bool:
    """Ask once, note what is said, and say whether it begins so."""
    said.append(await talk(port, HEAD + LAST))
    return said[-1].startswith(beginning)


def read_error(said: bytes) -> tuple[int, dict[str, Any]]:
    """Return status and inner error of an answer in the one shape of errors."""
    head, _, body = said.partition(b"\r\n\r\n")
    error: dict[str, Any] = orjson.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return int(head.split()[1]), error


async def test_a_connection_that_says_nothing_is_closed() -> None:
    async with open_server(**QUICK) as port:
        assert await talk(port) == b""


SLOW = {
    "a byte of the head now and then": ([b"G", b"E", b"T", *[b" "] * 200], "STORYMILL_DOOR_HEADER_SECONDS"),
    "empty lines": ([b"\r\n"] * 200, "STORYMILL_DOOR_HEADER_SECONDS"),
    "a body that was announced": (
        [POST + b"content-length: 9000000\r\n\r\n"],
        "STORYMILL_DOOR_BODY_BYTES_PER_SECOND",
    ),
    "a chunk that is not the last": (
        [POST + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"],
        "STORYMILL_DOOR_BODY_BYTES_PER_SECOND",
    ),
}


@pytest.mark.parametrize("name", SLOW)
async def test_a_request_that_does_not_come_to_its_end_is_answered_408(name: str) -> None:
    pieces, setting = SLOW[name]
    async with open_server(**QUICK) as port:
        status, error = read_error(await talk(port, *pieces, pause_seconds=0.05))
    assert (status, error["code"]) == (408, "request_timeout")
    assert setting in error["message"]


LARGE = {
    "an endless line": [HEAD + b"a: ", *[b"x" * 10_000] * 100],
    "a long line": [HEAD + b"a: " + b"x" * 40_000 + b"\r\n\r\n"],
    "a long address": [b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n"],
    "long lines together": [HEAD + b"".join(b"a%d: " % number + b"x" * 1000 + b"\r\n" for number in range(40))],
    "many lines": [HEAD + b"a:b\r\n" * 20_000 + b"\r\n"],
}


@pytest.mark.parametrize("name", LARGE)
async def test_a_head_that_is_too_large_is_answered_431(name: str) -> None:
    async with open_server() as port:
        status, error = read_error(await talk(port, *LARGE[name]))
    assert (status, error["code"]) == (431, "headers_too_large")
    assert "STORYMILL_DOOR_HEADER_" in error["message"]


async def test_what_is_no_http_is_told_in_the_shape_of_errors() -> None:
    async with open_server() as port:
        status, error = read_error(await talk(port, b"\x16\x03\x01hello\r\n\r\n"))
    assert (status, error["code"]) == (400, "invalid_http")


async def test_real_clients_are_let_through() -> None:
    slow_body = [POST + b"content-length: 2000\r\n" + LAST, *[b"x" * 100] * 20]
    chunks = [POST + b"transfer-encoding: chunked\r\n" + LAST, *[b"5\r\nhello\r\n"] * 3, b"0\r\n\r\n"]
    async with open_server(**QUICK) as port:
        assert (await talk(port, *slow_body, pause_seconds=0.05)).endswith(b"2000")
        assert (await talk(port, *chunks)).endswith(b"15")
        assert (await talk(port, b"GET / HTTP/1.0\r\n\r\n")).endswith(b"0")
        assert (await talk(port, HEAD + b"\r\n", HEAD + LAST, pause_seconds=0.5)).count(b"200 OK") == 2
        assert (await talk(port, HEAD + b"\r\n" + HEAD + b"\r\n" + HEAD + LAST)).count(b"200 OK") == 3


async def test_a_body_that_was_answered_by_its_head_holds_no_connection() -> None:
    post = b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n"
    async with open_server(**QUICK) as port:
        said = await talk(port, post, *[b"x"] * 99, pause_seconds=0.05)
    assert said.count(b"HTTP/1.1") == 1


async def test_a_client_that_does_not_read_its_answer_is_ended_and_one_that_reads_slowly_is_not() -> None:
    async with open_server(slow_seconds=0.7) as port:
        asleep = await open_narrow(port, b"GET /large HTTP/1.1\r\nhost: x\r\n" + LAST)
        awake = await open_narrow(port, b"GET /large HTTP/1.1\r\nhost: x\r\n" + LAST)
        came = 0
        for _ in range(30):
            await asyncio.sleep(0.1)
            came += len(await awake[0].read(30_000))
        assert len(await asleep[0].read()) < LARGE_BYTES
        assert came + len(await awake[0].read()) > LARGE_BYTES
        for _, writer in (asleep, awake):
            writer.close()


async def open_narrow(port: int, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask over a connection that takes in little unread."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    narrow.connect(("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=narrow, limit=8192)
    writer.write(request)
    return reader, writer


async def test_silent_connections_make_room_for_others() -> None:
    async with open_server(door_connections=16, **PATIENT) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        assert (await talk(port, HEAD + LAST)).endswith(b"0")
        for _, writer in silent:
            writer.close()


async def test_requests_behind_a_proxy_are_counted_by_their_client() -> None:
    late = b"GET /late HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 6.6.6.6, 203.0.113.7\r\n\r\n"
    async with open_server(door_connections_per_address=3, **PATIENT) as port:
        busy = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for _, writer in busy:
            writer.write(late)
        said: list[bytes] = []

        async def is_full() -> bool:
            said.append(await talk(port, HEAD + b"x-forwarded-for: 203.0.113.7\r\n" + LAST))
            return said[-1].startswith(b"HTTP/1.1 429")

        await eventually_async(is_full, what="the client to have all its connections")
        assert "STORYMILL_DOOR_CONNECTIONS_PER_ADDRESS" in read_error(said[-1])[1]["message"]
        for others in (b"x-forwarded-for: 203.0.113.8\r\n", b"x-forwarded-for: 203.0.113.7, 203.0.113.9\r\n", b""):
            assert (await talk(port, HEAD + others + LAST)).startswith(b"HTTP/1.1 200")
        for _, writer in busy:
            writer.close()

        async def has_room() -> bool:
            answer = await talk(port, HEAD + b"x-forwarded-for: 203.0.113.7\r\n" + LAST)
            return answer.startswith(b"HTTP/1.1 200")

        await eventually_async(has_room, what="room for another")


@pytest.mark.parametrize(
    ("bounds", "proxies", "setting"),
    [
        ({"door_connections": 16}, "127.0.0.0/8", "STORYMILL_DOOR_CONNECTIONS)"),
        ({"door_connections_per_address": 16}, "", "STORYMILL_DOOR_CONNECTIONS_PER_ADDRESS)"),
    ],
)
async def test_one_connection_too_many_is_answered_429_and_the_next_is_served(
    monkeypatch: pytest.MonkeyPatch, bounds: dict[str, Any], proxies: str, setting: str
) -> None:
    monkeypatch.setenv("STORYMILL_TRUSTED_PROXIES", proxies)
    async with open_server(**bounds, **PATIENT) as port:
        busy = [await asyncio.open_connection("127.0.0.1", port) for _ in range(16)]
        for _, writer in busy:
            writer.write(b"GET /late HTTP/1.1\r\nhost: x\r\n\r\n")
        said: list[bytes] = []
        await eventually_async(lambda: is_answered(port, b"HTTP/1.1 429", said), what="the server to be full")
        status, error = read_error(said[-1])
        assert (status, error["code"], error["type"]) == (429, "too_many_connections", "rate_limit_error")
        assert setting in error["message"]
        assert b"retry-after: " in said[-1]
        for _, writer in busy:
            writer.close()
        await eventually_async(lambda: is_answered(port, b"HTTP/1.1 200", said), what="room for another")
