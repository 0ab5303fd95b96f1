"""Requests refused before a route sees them, as pure ASGI: bodies over the limit, NUL characters in the URL."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import orjson
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.bounds import setting_of
from shared.errors import InvalidRequestError, RequestTooLargeError, StorymillError

DRAINED_BYTES: Final = 64 * 1024 * 1024
"""How much of an oversized body is read and dropped, so that the client gets to read the answer."""
DRAIN_SECONDS: Final = 10.0
"""For how long."""


@dataclass(frozen=True, slots=True)
class BodyBound:
    """How large a body may be, and the bound's name where it can be set."""

    bytes: int
    name: str | None = None

    def excess(self) -> RequestTooLargeError:
        """Return the error that names the limit."""
        how = f" ({setting_of(self.name)})" if self.name else ""
        return RequestTooLargeError(f"The request body is over the limit of {self.bytes} bytes{how}.")


class RequestLimits:
    """Answers 413 to bodies over what `bound_body` says for their path and 400 to a NUL in path or query, which no
    text column stores."""

    def __init__(self, app: ASGIApp, bound_body: Callable[[str], BodyBound]) -> None:
        self._app = app
        self._bound_body = bound_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer 400 or 413 before the application sees it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if "\x00" in scope["path"] or b"%00" in scope["query_string"] or b"\x00" in scope["query_string"]:
            await send_error(receive, send, InvalidRequestError("The URL contains a NUL character."))
            return
        bound = self._bound_body(scope["path"])
        if declared_length(scope) > bound.bytes:
            await send_error(receive, send, bound.excess())
        else:
            await self._app(scope, count_body(receive, bound), send)


def count_body(receive: Receive, bound: BodyBound) -> Receive:
    """Return `receive` that counts, for bodies that declare no length (or a false one)."""
    seen = 0

    async def receive_counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > bound.bytes:
            # FastAPI passes on only this class from the reading of a body.
            raise HTTPException(413, bound.excess().message)
        return message

    return receive_counted


def declared_length(scope: Scope) -> int:
    """Return the Content-Length, 0 when there is none or it is no number."""
    value = Headers(scope=scope).get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else 0


async def drain(receive: Receive) -> None:
    """Read and drop the rest of a body, up to a limit and for a while."""
    dropped = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while dropped < DRAINED_BYTES:
                message = await receive()
                dropped += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return


async def send_error(receive: Receive, send: Send, error: StorymillError) -> None:
    """Answer with OpenAI's error body at once. The connection, whose request may be half unread, is closed when the
    client has stopped sending: closed before, it would lose the answer."""
    body = orjson.dumps(error.body())
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await drain(receive)
    await send({"type": "http.response.body", "body": b""})
