"""Whose large body is read in this turn of the event loop: each costs it some milliseconds, and several that came whole
at once would hold it for all of them together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

SMALL_BYTES: Final = 256 * 1024
"""Bodies up to here cost no more than what else a request does."""


class BodyTurns:
    """One large body after the other; what else is ready goes on between them."""

    def __init__(self) -> None:
        self._reading = asyncio.Lock()

    @asynccontextmanager
    async def of(self, body: bytes) -> AsyncIterator[None]:
        """Hold the turn while a body is counted and parsed."""
        if len(body) <= SMALL_BYTES:
            yield
            return
        async with self._reading:
            yield
            await asyncio.sleep(0)
