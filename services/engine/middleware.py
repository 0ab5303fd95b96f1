"""What every request passes: an id, a limit on its body, and the last catch for errors."""

import uuid
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.engine.errors import ApiError, PayloadTooLargeError, ServerError
from services.engine.free_memory import FreeMemory
from services.engine.json_cost import JsonBound
from services.engine.settings import SETTING_PREFIX, EngineSettings

log = structlog.get_logger(__name__)

UPLOAD_PATH = "/v1/files"
"""These take large bodies and have a limit of their own."""
JSON_NODES = f"{SETTING_PREFIX}MAX_JSON_NODES"
JSON_VALUES = f"{SETTING_PREFIX}MAX_JSON_VALUES"
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
    """Refuses bodies over the limits with 413: of bytes, whether or not they announce their length, and of what stands
    in their JSON, which is counted before anybody parses it."""

    def __init__(self, app: ASGIApp, settings: EngineSettings) -> None:
        self._app = app
        self._limit_bytes = settings.max_body_bytes
        self._json = JsonBound(settings.max_json_nodes, settings.max_json_values, JSON_NODES, JSON_VALUES)
        self._free_memory = FreeMemory()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["path"].startswith(UPLOAD_PATH):
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdigit() and int(announced) > self._limit_bytes:
            await answer_error(self._too_large())(scope, receive, send)
            return
        body = bytearray()
        refusal: ApiError | None = None
        answered = False

        async def receive_counted() -> Message:
            nonlocal refusal
            message = await receive()
            body.extend(message.get("body", b""))
            refusal = refusal or self._find_refusal(body, is_whole=not message.get("more_body", False))
            if refusal is not None:
                raise refusal
            return message

        async def send_or_refuse(message: Message) -> None:
            """Frameworks turn an error while reading into an answer of their own; ours takes its place."""
            nonlocal answered
            if refusal is None:
                await send(message)
            elif not answered:
                answered = True
                await answer_error(refusal)(scope, receive, send)

        await self._app(scope, receive_counted, send_or_refuse)

    def _find_refusal(self, body: bytearray, *, is_whole: bool) -> ApiError | None:
        self._free_memory.note_body(len(body))
        if len(body) > self._limit_bytes:
            return self._too_large()
        excess = self._json.find_excess(bytes(body)) if is_whole else None
        if is_whole:
            body.clear()  # what follows is a disconnect, perhaps much later
        return PayloadTooLargeError(f"The body holds {excess}.") if excess is not None else None

    def _too_large(self) -> PayloadTooLargeError:
        return PayloadTooLargeError(
            f"The request body is over the limit of {self._limit_bytes} bytes ({SETTING_PREFIX}MAX_BODY_BYTES)."
        )


def _read_request_id(scope: Scope) -> str:
    given: Any = Headers(scope=scope).get("x-request-id", "")
    usable = given.isascii() and given.isprintable() and 0 < len(given) <= LONGEST_REQUEST_ID
    return given if usable else f"req_{uuid.uuid4().hex}"
