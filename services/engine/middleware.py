"""What every request passes: an id, a limit on its body, and the last catch for errors."""

import uuid
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.engine.errors import ApiError, PayloadTooLargeError, ServerError

log = structlog.get_logger(__name__)

UPLOAD_PATH = "/v1/files"
"""These take large bodies and have a limit of their own."""
LONGEST_REQUEST_ID = 200
"""In characters; a longer one from the client is replaced."""


def answer_error(error: ApiError) -> JSONResponse:
    """Shape an error as a response."""
    return JSONResponse(error.body(), status_code=error.status, headers=error.headers)


class RequestIdMiddleware:
    """Names each request, in both headers that clients read, and turns a crash into OpenAI's error body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _read_request_id(scope)
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = headers["request-id"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception:
                log.exception("a request failed", path=scope["path"])
                if started:
                    raise
                response = answer_error(ServerError("The engine had an error while processing your request."))
                await response(scope, receive, send_with_id)


class BodyLimitMiddleware:
    """Refuses bodies over the limit with 413, whether or not they announce their length."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["path"].startswith(UPLOAD_PATH):
            await self._app(scope, receive, send)
            return
        error = PayloadTooLargeError(f"The request body is over {self._limit_bytes} bytes.")
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdigit() and int(announced) > self._limit_bytes:
            await answer_error(error)(scope, receive, send)
            return
        read, answered = 0, False

        async def receive_counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._limit_bytes:
                raise error
            return message

        async def send_or_refuse(message: Message) -> None:
            """Frameworks turn an error while reading into an answer of their own; ours takes its place."""
            nonlocal answered
            if read <= self._limit_bytes:
                await send(message)
            elif not answered:
                answered = True
                await answer_error(error)(scope, receive, send)

        await self._app(scope, receive_counted, send_or_refuse)


def _read_request_id(scope: Scope) -> str:
    given: Any = Headers(scope=scope).get("x-request-id", "")
    usable = given.isascii() and given.isprintable() and 0 < len(given) <= LONGEST_REQUEST_ID
    return given if usable else f"req_{uuid.uuid4().hex}"
