"""Sees to it that the rows of a run go on being inserted: who did it may have died, and its message with it.

The reaper cannot tell: a run that is worked on counts as held, whether its rows still become more or not."""

import time
from typing import Final

from services.workers.process.context import WorkerContext
from shared.contracts.queue.messages import ExpandGeneration
from shared.stores.db.repositories.generation_progress import RunState

LONGEST_SILENCE_SECONDS: Final = 10.0
"""A slice must live to see it."""
SILENCES_BETWEEN_MESSAGES: Final = 3
"""A message waits for its turn in the queue. What is asked for without need stops at its first chunk."""


class ExpansionWatch:
    """Of one slice: how far its run's expansion came, and since when it stands still."""

    def __init__(self, context: WorkerContext, generation_id: str) -> None:
        self._context = context
        self._generation_id = generation_id
        self._silence_seconds = min(context.worker_settings.lease_seconds, LONGEST_SILENCE_SECONDS)
        self._expanded = -1
        self._grown_at = time.monotonic()

    async def look(self, state: RunState) -> None:
        """Send the message of an expansion that has stood still for a lease's time; one worker of all does it."""
        now = time.monotonic()
        if state.expanded > self._expanded:
            self._expanded, self._grown_at = state.expanded, now
        is_unfinished = state.is_active and state.expanded < state.total
        if is_unfinished and now - self._grown_at >= self._silence_seconds and await self._is_our_turn():
            await self._context.sender.send(ExpandGeneration(self._generation_id))

    async def _is_our_turn(self) -> bool:
        key = f"expansion:asked:{self._generation_id}"
        milliseconds = int(1_000 * SILENCES_BETWEEN_MESSAGES * self._silence_seconds)
        return bool(await self._context.redis.set(key, 1, nx=True, px=milliseconds))
