"""The streaming service as one ASGI application: sockets to their endpoint, the rest to FastAPI."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import parse_qs

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from services.streaming import health
from services.streaming.event_streams import routes as event_streams
from services.streaming.job_events.connection import JobConnection
from services.streaming.sockets.connection import SocketConnection
from services.streaming.sockets.endpoint import Conversation, SocketEndpoint
from services.streaming.wiring import Streaming
from shared.http.cross_origin import let_pages_in
from shared.http.error_handlers import install_error_handlers
from shared.http.request_limits import BodyBound, RequestLimits
from shared.observability.http import RequestObserver
from shared.observability.loop_lag import sampling_loop_lag

SOCKET_PATH = "/v1/streams"
JOB_PATH = re.compile(r"/v1/fine_tuning/jobs/([A-Za-z0-9_:.\-]{1,64})/events")
MAX_BODY_BYTES = 4096
"""No route takes a body."""


class StreamingApp:
    """Dispatches by scope type: a WebSocket passes through no middleware."""

    def __init__(self, streaming: Streaming) -> None:
        self.streaming = streaming
        self._http = build_http_app(streaming)
        self._sockets: SocketEndpoint | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, request or lifespan."""
        if scope["type"] != "websocket":
            await self._http(scope, receive, send)
            return
        conversation = find_conversation(self.streaming, scope)
        if conversation is None:
            await receive()
            await send({"type": "websocket.close"})  # before the handshake: HTTP 403
            return
        self._sockets = self._sockets or SocketEndpoint(self.streaming)
        await self._sockets.serve(scope, receive, send, conversation)


def find_conversation(streaming: Streaming, scope: Scope) -> Conversation | None:
    """Return what a socket on this path is for."""
    path = scope["path"].rstrip("/")
    if path == SOCKET_PATH:
        return partial(SocketConnection, streaming)
    job = JOB_PATH.fullmatch(path)
    if job is None:
        return None
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return partial(JobConnection, streaming, job[1], query.get("after", [None])[-1])


def build_http_app(streaming: Streaming) -> ASGIApp:
    """Return the HTTP side: event streams, health, metrics."""

    @asynccontextmanager
    async def run(_: FastAPI) -> AsyncIterator[None]:
        await streaming.start()
        try:
            with sampling_loop_lag():
                yield
        finally:
            await streaming.stop()

    app = FastAPI(title="Storymill streaming", docs_url=None, redoc_url=None, lifespan=run)
    app.state.streaming = streaming
    app.include_router(event_streams.router)
    app.include_router(health.router)
    install_error_handlers(app)
    limited = RequestLimits(app, lambda _path: BodyBound(MAX_BODY_BYTES))
    return RequestObserver(let_pages_in(limited, streaming.settings.origin_list))
