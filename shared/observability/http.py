"""What every HTTP service does around its routes, as pure ASGI: request ids, a request log, metrics.

For the gateway and the streaming service. (Starlette's BaseHTTPMiddleware is banned: it hides disconnects.)"""

import re
import time
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import ids
from shared.observability.logs import get_logger

ACCEPTABLE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
REQUEST_ID_HEADERS: Final = ("x-request-id", "request-id")
"""Current clients read the first, the legacy one reads the second."""
UNLOGGED_PATHS: Final = frozenset({"/livez", "/readyz", "/metrics"})
CLIENT_GONE: Final = 499
"""Status in log and metrics when the client left before the answer began."""

REQUESTS = Counter("storymill_http_requests_total", "Answered requests", ["method", "route", "status"])
DURATION = Histogram(
    "storymill_http_request_seconds",
    "Time to the end of the answer",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600),
)
IN_PROGRESS = Gauge("storymill_http_requests_in_progress", "Requests being answered")

log = get_logger(__name__)


class RequestObserver:
    """Gives each request an id (`scope["state"]["request_id"]`, answered in both header names), logs it, counts it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request inside its id; logged and counted once the answer has ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = choose_request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _AnswerWatch(send, request_id)
        with structlog.contextvars.bound_contextvars(request_id=request_id), IN_PROGRESS.track_inprogress():
            try:
                await self._app(scope, receive, answer.send)
            finally:
                _record(scope, answer)


class _AnswerWatch:
    """Passes an answer on and remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.started_at = time.monotonic()
        self.status = CLIENT_GONE

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name in REQUEST_ID_HEADERS:
                headers[name] = self._request_id
        await self._send(message)


def choose_request_id(scope: Scope) -> str:
    """Return the caller's request id when it sent a sane one, else a new id."""
    given = Headers(scope=scope).get("x-request-id", "")
    return given if ACCEPTABLE_REQUEST_ID.fullmatch(given) else ids.new_id(ids.REQUEST)


def _record(scope: Scope, answer: _AnswerWatch) -> None:
    seconds = time.monotonic() - answer.started_at
    route = getattr(scope.get("route"), "path", "unmatched")
    method = scope["method"] if scope["method"] in _KNOWN_METHODS else "other"
    REQUESTS.labels(method, route, str(answer.status)).inc()
    DURATION.labels(method, route).observe(seconds)
    if scope["path"] not in UNLOGGED_PATHS:
        log.info(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=answer.status,
            milliseconds=round(seconds * 1000, 1),
        )


_KNOWN_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
