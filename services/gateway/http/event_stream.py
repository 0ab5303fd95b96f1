"""Server-sent events out: keep-alive comments, and a client's leaving seen at once, also while nothing is sent."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

KEEP_ALIVE = b": keep-alive\n\n"
NO_BUFFERING = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class EventStream(Response):
    """An answer of events, as bytes ready to send. `on_disconnect` runs when the client leaves before the end."""

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[bytes, None],
        *,
        keep_alive_seconds: float,
        headers: Mapping[str, str] | None = None,
        on_disconnect: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({**NO_BUFFERING, **(headers or {})})
        self._events = events
        self._keep_alive_seconds = keep_alive_seconds
        self._on_disconnect = on_disconnect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events as they come; when the client goes first, close them and call `on_disconnect`."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        gone = asyncio.create_task(wait_for_disconnect(receive))
        try:
            finished = await self._send_all(send, gone)
        finally:
            gone.cancel()
            await self._events.aclose()
        if finished:
            await send({"type": "http.response.body", "body": b""})
        elif self._on_disconnect is not None:
            await self._on_disconnect()

    async def _send_all(self, send: Send, gone: asyncio.Task[None]) -> bool:
        """Send events until they end (True) or the client leaves (False)."""
        coming: asyncio.Task[bytes | None] | None = None
        try:
            while True:
                coming = coming or asyncio.create_task(_next_event(self._events))
                done, _ = await asyncio.wait(
                    {coming, gone}, timeout=self._keep_alive_seconds, return_when=asyncio.FIRST_COMPLETED
                )
                if coming in done:
                    event, coming = coming.result(), None
                    if event is None:
                        return True
                    await send({"type": "http.response.body", "body": event, "more_body": True})
                elif gone in done:
                    return False
                else:
                    await send({"type": "http.response.body", "body": KEEP_ALIVE, "more_body": True})
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming})


async def wait_for_disconnect(receive: Receive) -> None:
    """Return when the client has gone. The request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _next_event(events: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(events, None)
