"""Requests refused before a route sees them, as pure ASGI: bodies over the limit, NUL characters in the URL."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

import orjson
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import InvalidRequestError, RequestTooLargeError, StorymillError

DRAINED_BYTES: Final = 64 * 1024 * 1024
"""How much of an oversized body is read and dropped, so that the client gets to read the answer."""


class RequestLimits:
    """Answers 413 to bodies over `max_body_bytes` (or what `own_limits` says for paths of a shell pattern) and 400 to
    a NUL in path or query, which no text column stores."""

    def __init__(self, app: ASGIApp, max_body_bytes: int, own_limits: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._own_limits = own_limits or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer 400 or 413 before the application sees it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if "\x00" in scope["path"] or b"%00" in scope["query_string"] or b"\x00" in scope["query_string"]:
            await send_error(send, InvalidRequestError("The URL contains a NUL character."))
            return
        limit = self._find_limit(scope["path"])
        if declared_length(scope) > limit:
            await drain(receive)
            await send_error(send, too_large(limit))
        else:
            await self._app(scope, count_body(receive, limit), send)

    def _find_limit(self, path: str) -> int:
        own = (limit for pattern, limit in self._own_limits.items() if fnmatchcase(path, pattern))
        return next(own, self._max_body_bytes)


def count_body(receive: Receive, limit: int) -> Receive:
    """Return `receive` that counts, for bodies that declare no length (or a false one)."""
    seen = 0

    async def receive_counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            if message.get("more_body", False):
                await drain(receive)
            # FastAPI passes on only this class from the reading of a body.
            raise HTTPException(413, too_large(limit).message)
        return message

    return receive_counted


def too_large(limit: int) -> RequestTooLargeError:
    """Return the error that names the limit."""
    return RequestTooLargeError(f"The request body is over the limit of {limit} bytes.")


def declared_length(scope: Scope) -> int:
    """Return the Content-Length, 0 when there is none or it is no number."""
    value = Headers(scope=scope).get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else 0


async def drain(receive: Receive) -> None:
    """Read and drop the rest of a body, up to a limit."""
    dropped = 0
    while dropped < DRAINED_BYTES:
        message = await receive()
        dropped += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return


async def send_error(send: Send, error: StorymillError) -> None:
    """Answer with OpenAI's error body and close the connection, whose request may be half unread."""
    body = orjson.dumps(error.body())
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
