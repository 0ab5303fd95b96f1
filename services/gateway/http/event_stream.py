"""Server-sent events that a generator yields, with keep-alive comments while it has nothing."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Final

from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.contracts.event_stream import format_comment
from shared.http.event_answer import EventAnswer, Write

KEEP_ALIVE: Final = format_comment("keep-alive")


class EventStream(EventAnswer):
    """An answer of events, as bytes ready to send. `on_disconnect` runs when the client leaves before the end."""

    def __init__(
        self,
        gateway: Gateway,
        caller: Principal,
        events: AsyncGenerator[bytes, None],
        *,
        headers: Mapping[str, str] | None = None,
        on_disconnect: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(self._write_all, gateway.hold(caller), headers=headers, on_disconnect=on_disconnect)
        self._events = events
        self._keep_alive_seconds = gateway.settings.keep_alive_seconds

    async def _write_all(self, write: Write) -> None:
        """Write events until there are no more. The generator is closed when this ends, however it ends."""
        coming: asyncio.Task[bytes | None] | None = None
        try:
            while True:
                coming = coming or asyncio.create_task(_next_event(self._events))
                done, _ = await asyncio.wait({coming}, timeout=self._keep_alive_seconds)
                if not done:
                    await write(KEEP_ALIVE)
                    continue
                event, coming = coming.result(), None
                if event is None:
                    return
                await write(event)
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming})
            await self._events.aclose()


async def _next_event(events: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(events, None)
