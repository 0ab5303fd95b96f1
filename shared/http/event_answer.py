"""An answer of server-sent events: written as they come, and a client's leaving seen at once, also while nothing is
sent."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.cancellation import cancel_tasks

HEADERS: Final = {"cache-control": "no-cache", "x-accel-buffering": "no"}
"""Proxies shall neither keep nor collect what is sent."""

Write = Callable[[bytes], Awaitable[None]]
"""Sends bytes to the client, and waits while it does not read. Raises: ReaderGoneError."""
Relay = Callable[[Write], Awaitable[None]]
"""Writes every event of an answer. It is cancelled when the client leaves."""


class ReaderGoneError(Exception):
    """The client has closed the connection, or has not read for `write_seconds`."""


class EventAnswer(Response):
    """An answer whose events a relay writes. `on_disconnect` runs when the client leaves before the relay returns."""

    media_type = "text/event-stream"

    def __init__(
        self,
        relay: Relay,
        *,
        headers: Mapping[str, str] | None = None,
        write_seconds: float | None = None,
        on_disconnect: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Without `write_seconds` a client may stop reading for as long as it stays: right where nobody else could
        give it the rest of what it paid for."""
        self.status_code = 200
        self.background = None
        self.init_headers({**HEADERS, **(headers or {})})
        self._relay = relay
        self._write_seconds = write_seconds
        self._on_disconnect = on_disconnect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the answer. Raises: what the relay raises."""

        async def write(chunk: bytes) -> None:
            try:
                async with asyncio.timeout(self._write_seconds):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except (TimeoutError, OSError) as error:
                raise ReaderGoneError from error

        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if await relay_until_left(self._relay, write, receive):
            await send({"type": "http.response.body", "body": b""})
        elif self._on_disconnect is not None:
            await self._on_disconnect()


async def relay_until_left(relay: Relay, write: Write, receive: Receive) -> bool:
    """Run a relay to its end; False when the client left before. Nothing of it runs on afterwards."""

    async def run() -> None:
        await relay(write)

    relaying = asyncio.create_task(run())
    gone = asyncio.create_task(wait_for_disconnect(receive))
    try:
        await asyncio.wait({relaying, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not relaying.done():
            return False
        relaying.result()
    except ReaderGoneError:
        return False
    finally:
        await cancel_tasks([relaying, gone])
    return True


async def wait_for_disconnect(receive: Receive) -> None:
    """Return when the client has gone. The request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
