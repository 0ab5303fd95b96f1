"""uvicorn, told to send its clients away before it stops, and how to hold many sockets cheaply."""

import asyncio
from types import FrameType

import uvicorn

from services.streaming.app import StreamingApp
from services.streaming.sockets.transport import SocketTransport
from shared.bounds import LiveBounds
from shared.http.open_door import open_door

MAX_MESSAGE_BYTES = 4096
"""Of a client: a `start` with a long prompt belongs on POST /v1/streams."""
BACKLOG = 4096
STOP_SECONDS = 3


class StreamingServer(uvicorn.Server):
    """The first SIGTERM drains, the second stops at once."""

    def __init__(self, app: StreamingApp, host: str, port: int) -> None:
        settings = app.streaming.settings
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="uvloop",
            http=open_door(settings, LiveBounds(settings, settings.bounds_file)),
            ws=SocketTransport,
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_per_message_deflate=False,
            lifespan="on",
            access_log=False,
            forwarded_allow_ips=settings.trusted_proxies,
            log_config=None,
            log_level="warning",
            backlog=BACKLOG,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        super().__init__(config)
        self._streaming = app.streaming
        self._draining: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; at the second signal stop."""
        if self._draining is not None:
            super().handle_exit(sig, frame)
            return
        loop = self._loop
        if loop is None:
            super().handle_exit(sig, frame)
        else:
            loop.call_soon_threadsafe(self._start_drain, sig, frame)

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Note the loop that signals shall reach."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)  # type: ignore[arg-type]

    _loop: asyncio.AbstractEventLoop | None = None

    def _start_drain(self, sig: int, frame: FrameType | None) -> None:
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(sig, frame))

    async def _drain(self, sig: int, frame: FrameType | None) -> None:
        settings = self._streaming.settings
        await self._streaming.clients.drain(settings.drain_seconds if len(self._streaming.clients) else 0)
        super().handle_exit(sig, frame)
