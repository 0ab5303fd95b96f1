"""One viewer as an answer of server-sent events. A `Client` of the registry."""

import asyncio
from collections.abc import Mapping
from typing import Final

from starlette.types import Receive, Scope, Send

from services.streaming.clients import ClientRegistry
from shared.contracts.event_stream import format_comment, format_retry
from shared.contracts.stream.frames import State
from shared.contracts.stream.packet import encode_event
from shared.http.event_answer import EventAnswer, Hold, Write
from shared.streams.viewer import Viewer

HEADERS: Final = {"cache-control": "no-store"}
"""What a project wrote is kept by nobody on the way."""
HEARTBEAT: Final = format_comment("hb")
RECONNECT: Final = format_retry(1000)


class ViewerEvents(EventAnswer):
    """Sends what the viewer gets until the end of the stream, or until the client goes or must go. One that goes may
    come back with its last event id."""

    def __init__(self, viewer: Viewer, clients: ClientRegistry, hold: Hold, headers: Mapping[str, str]) -> None:
        super().__init__(self._write_all, hold, headers={**HEADERS, **headers})
        self.written_at = asyncio.get_running_loop().time()
        self.writing_since: float | None = None
        self._viewer = viewer
        self._clients = clients
        self._bell = asyncio.Event()
        self._is_heartbeat_due = False
        self._is_closing = False
        viewer.on_news = self._bell.set

    def send_heartbeat(self) -> None:
        """Say that we are still there."""
        self._is_heartbeat_due = True
        self._bell.set()

    def drop_slow(self) -> None:
        """Nothing: the door ends who does not read."""

    def announce_close(self, in_ms: int) -> None:
        """Nothing: the event source comes back by itself."""

    def close_for_restart(self) -> None:
        """End the response without an end event."""
        self._is_closing = True
        self._bell.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the answer; the viewer is closed afterwards."""
        self._clients.add(self)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._clients.remove(self)
            self._viewer.close()

    async def _write_all(self, write: Write) -> None:
        state = encode_event(State(self._viewer.stream_id, self._viewer.state))
        await self._write(write, RECONNECT + state)
        while not self._is_closing:
            self._bell.clear()
            chunk = b"".join([packet.event_stream for packet in self._viewer.take()])
            if not chunk and self._is_heartbeat_due:
                chunk = HEARTBEAT
            self._is_heartbeat_due = False
            if chunk:
                await self._write(write, chunk)
            elif self._viewer.has_ended:
                return
            else:
                await self._bell.wait()

    async def _write(self, write: Write, chunk: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.writing_since = loop.time()
        await write(chunk)
        self.writing_since = None
        self.written_at = loop.time()
