"""The asyncio side of a request in the batch: deltas come out, a cancel goes in."""

import asyncio
import time
from collections.abc import AsyncIterator

from services.engine.batching.requests import Delta, Priority, SequenceRequest
from services.engine.errors import ApiError


class RunningRequest:
    """All sequences of one client request. Made, read and cancelled on the event loop."""

    def __init__(self, requests: list[SequenceRequest], priority: Priority) -> None:
        self.requests = requests
        self.priority = priority
        self.submitted = time.monotonic()
        self.cancelled = False
        self._open = len(requests)
        self._events: asyncio.Queue[Delta | ApiError] = asyncio.Queue()

    def put(self, event: Delta | ApiError) -> None:
        """Hand over an event; on the event loop only."""
        self._events.put_nowait(event)

    def cancel(self) -> None:
        """Let the sequences leave the batch before its next step. Harmless when all have ended."""
        self.cancelled = True

    async def read(self) -> AsyncIterator[Delta]:
        """Yield deltas until every sequence has finished. Raises the ApiError that ended them early."""
        while self._open:
            event = await self._events.get()
            if isinstance(event, ApiError):
                raise event
            if event.finish_reason is not None:
                self._open -= 1
            yield event
