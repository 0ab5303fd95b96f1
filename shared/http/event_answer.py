"""An answer of server-sent events: written as they come, and a client's leaving seen at once, also while nothing is
sent. It ends with its key. A client that does not read is ended by the door."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from enum import Enum, auto
from typing import Any, Final

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.auth.key_watch import REVOKED_OR_OVER
from shared.cancellation import cancel_tasks
from shared.contracts.event_stream import format_event
from shared.errors import AuthenticationError

HEADERS: Final = {"cache-control": "no-cache", "x-accel-buffering": "no"}
"""Proxies shall neither keep nor collect what is sent."""

Write = Callable[[bytes], Awaitable[None]]
"""Sends bytes to the client, and waits while it does not read. Raises: ReaderGoneError when it has closed the
connection."""
Relay = Callable[[Write], Awaitable[None]]
"""Writes every event of an answer. It is cancelled when the client leaves."""
Hold = Callable[[Callable[[], None]], AbstractContextManager[None]]
"""Entered while an answer is given; calls what it got when the key behind is revoked."""
KEY_ENDED: Final = format_event(orjson.dumps(AuthenticationError(REVOKED_OR_OVER).body()))
"""The last event of an answer whose key was revoked."""


class Leave(Enum):
    """Why nobody waits for an answer any more."""

    CLIENT_GONE = auto()
    KEY_REVOKED = auto()


class ReaderGoneError(Exception):
    """The client has closed the connection."""


class EventAnswer(Response):
    """An answer whose events a relay writes. `on_disconnect` runs when the client leaves, or its key is revoked, before
    the relay returns."""

    media_type = "text/event-stream"

    def __init__(
        self,
        relay: Relay,
        hold: Hold,
        *,
        headers: Mapping[str, str] | None = None,
        on_disconnect: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({**HEADERS, **(headers or {})})
        self._relay = relay
        self._hold = hold
        self._on_disconnect = on_disconnect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the answer. Raises: what the relay raises."""

        async def write(chunk: bytes) -> None:
            try:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except OSError as error:
                raise ReaderGoneError from error

        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        left = await relay_until_left(self._relay, write, wait_for_leave(receive, self._hold))
        if left is not None and self._on_disconnect is not None:
            await self._on_disconnect()
        if left is not Leave.CLIENT_GONE:
            await send({"type": "http.response.body", "body": KEY_ENDED if left is Leave.KEY_REVOKED else b""})


async def relay_until_left(relay: Relay, write: Write, leave: Coroutine[Any, Any, Leave]) -> Leave | None:
    """Run a relay to its end, or to a leave that comes first. Nothing of it runs on afterwards."""

    async def run() -> None:
        await relay(write)

    relaying = asyncio.create_task(run())
    leaving = asyncio.create_task(leave)
    try:
        await asyncio.wait({relaying, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not relaying.done():
            return leaving.result()
        relaying.result()
    except ReaderGoneError:
        return Leave.CLIENT_GONE
    finally:
        await cancel_tasks([relaying, leaving])
    return None


async def wait_for_leave(receive: Receive, hold: Hold) -> Leave:
    """Return when the client has gone, or its key was revoked. The request's body must have been read."""
    revoked = asyncio.Event()
    with hold(revoked.set):
        gone = asyncio.create_task(wait_for_disconnect(receive))
        ended = asyncio.create_task(revoked.wait())
        try:
            await asyncio.wait({gone, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_tasks([gone, ended])
    return Leave.KEY_REVOKED if revoked.is_set() else Leave.CLIENT_GONE


async def wait_for_disconnect(receive: Receive) -> None:
    """Return when the client has gone. The request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
