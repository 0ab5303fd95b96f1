"""Other workers called in, where a run has more to do than this one can."""

import time
from typing import Final

from services.workers.generation.bottleneck import Bottleneck, Cause
from services.workers.generation.call_slots import CallSlots
from shared.contracts.queue.messages import WorkGeneration
from shared.stores.db.repositories.generation_progress import RunState
from shared.stores.queue.sender import TaskSender

INVITE_SECONDS: Final = 2.0
"""An invitation that comes back to a worker that is at it already is dropped there, so it is repeated."""
BUSY: Final = frozenset({Cause.CONCURRENCY, Cause.DATABASE, Cause.UPSTREAM_LATENCY})
"""What more workers may cure; a limit per minute they would only share."""


class Invitation:
    """Of one slice."""

    def __init__(self, sender: TaskSender, generation_id: str, slots: CallSlots, bottleneck: Bottleneck) -> None:
        self._sender = sender
        self._generation_id = generation_id
        self._slots = slots
        self._bottleneck = bottleneck
        self._at = time.monotonic() + INVITE_SECONDS

    async def consider(self, state: RunState, *, is_proven: bool) -> None:
        """Send it if the run is worth it. A pilot is few stories."""
        has_more = state.is_active and is_proven and state.open - state.running > self._slots.limit
        if has_more and not state.is_pilot and self._bottleneck.last in BUSY and time.monotonic() >= self._at:
            self._at = time.monotonic() + INVITE_SECONDS
            await self._sender.send(WorkGeneration(generation_id=self._generation_id))
