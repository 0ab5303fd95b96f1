"""One viewer as a response of server-sent events. A `Client` of the registry."""

import asyncio
from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.streaming.clients import ClientRegistry
from shared.contracts.stream.frames import State
from shared.contracts.stream.packet import encode_event
from shared.streams.cancellation import cancel_tasks
from shared.streams.viewer import Viewer

HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
}
HEARTBEAT = b": hb\n\n"
RECONNECT = b"retry: 1000\n\n"


class EventStream(Response):
    """Sends what the viewer gets until the end of the stream, or until the client goes or must go."""

    def __init__(
        self, viewer: Viewer, clients: ClientRegistry, slow_seconds: float, headers: Mapping[str, str]
    ) -> None:
        super().__init__(status_code=200, headers={**HEADERS, **headers})
        self.written_at = asyncio.get_running_loop().time()
        self.writing_since: float | None = None
        self._viewer = viewer
        self._clients = clients
        self._slow_seconds = slow_seconds
        self._bell = asyncio.Event()
        self._is_heartbeat_due = False
        self._is_closing = False
        viewer.on_news = self._bell.set
        # A length of 0 was computed for the empty body that a Response begins with.
        del self.headers["content-length"]

    def send_heartbeat(self) -> None:
        """Say that we are still there."""
        self._is_heartbeat_due = True
        self._bell.set()

    def drop_slow(self) -> None:
        """Nothing: the write in progress has its own deadline."""

    def announce_close(self, in_ms: int) -> None:
        """Nothing: the event source comes back by itself."""

    def close_for_restart(self) -> None:
        """End the response without an end event."""
        self._is_closing = True
        self._bell.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the response."""
        self._clients.add(self)
        listening = asyncio.create_task(self._listen(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            state = encode_event(State(self._viewer.stream_id, self._viewer.state))
            await self._write(send, RECONNECT + state)
            await self._relay(send)
            if not listening.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (TimeoutError, OSError):
            pass  # gone, or not reading: either way it may come back with its last event id
        finally:
            self._clients.remove(self)
            self._viewer.close()
            await cancel_tasks([listening])

    async def _relay(self, send: Send) -> None:
        while not self._is_closing:
            self._bell.clear()
            chunk = b"".join([packet.event_stream for packet in self._viewer.take()])
            if not chunk and self._is_heartbeat_due:
                chunk = HEARTBEAT
            self._is_heartbeat_due = False
            if chunk:
                await self._write(send, chunk)
            elif self._viewer.has_ended:
                return
            else:
                await self._bell.wait()

    async def _write(self, send: Send, chunk: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.writing_since = loop.time()
        async with asyncio.timeout(self._slow_seconds):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        self.writing_since = None
        self.written_at = loop.time()

    async def _listen(self, receive: Receive) -> None:
        """Wait for the client to leave."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.close_for_restart()
