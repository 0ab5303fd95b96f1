"""Keeps a slice's hold on its run: renews leases, publishes what limits it, hears of pause and cancel, and calls
other workers in when there is more to do than this one can."""

import asyncio
import time
from typing import Final

from services.workers.generation.bottleneck import Cause
from services.workers.generation.slice import GenerationSlice
from services.workers.process.context import WorkerContext
from shared.contracts.queue.messages import WorkGeneration
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.generation_progress import RunState, hold_generation
from shared.stores.db.repositories.story_claims import TakenStory, renew_story_leases

HOLD_SECONDS: Final = 0.5
"""Pause, cancel and new limits are seen after so long."""
RENEW_SECONDS: Final = 2.0
INVITE_SECONDS: Final = 2.0
"""An invitation that comes back to a worker that is at it already is dropped there, so it is repeated."""

BUSY: Final = frozenset({Cause.CONCURRENCY, Cause.DATABASE, Cause.UPSTREAM_LATENCY})
"""What more workers may cure; a limit per minute they would only share."""

log = get_logger(__name__)


class SliceHolder:
    """The heartbeat of one slice."""

    def __init__(self, context: WorkerContext, work: GenerationSlice) -> None:
        self._context = context
        self._slice = work
        self._renew_at = time.monotonic() + RENEW_SECONDS
        self._invite_at = time.monotonic() + INVITE_SECONDS

    async def work(self) -> None:
        """Beat until cancelled. A Postgres that is away is waited for: the next beat may reach it."""
        while True:
            await asyncio.sleep(HOLD_SECONDS)
            try:
                await self._beat()
            except STORE_AWAY as error:
                log.warning("beat_missed", generation=self._slice.run.order.id, error=str(error))

    async def _beat(self) -> None:
        generation_id, cause = self._slice.run.order.id, self._slice.bottleneck.take()
        renews = time.monotonic() >= self._renew_at
        async with self._context.database.transaction() as session:
            if renews:
                await renew_story_leases(session, self._list_held())
            state = await hold_generation(session, generation_id, cause)
        if renews:
            self._renew_at = time.monotonic() + RENEW_SECONDS
        if state is not None:
            self._take_in(state)
            await self._invite(state, cause)
        await self._slice.limits.reconcile()

    def _list_held(self) -> list[TakenStory]:
        return [TakenStory(call.story_id, call.number) for call in self._slice.held.values()]

    def _take_in(self, state: RunState) -> None:
        self._slice.state = state
        self._slice.limits.configure(state)
        if state.status == "cancelled":
            self._slice.cancel_calls()

    async def _invite(self, state: RunState, cause: Cause | None) -> None:
        has_more = state.is_active and state.open - state.running > self._slice.slots.limit
        if has_more and cause in BUSY and time.monotonic() >= self._invite_at:
            self._invite_at = time.monotonic() + INVITE_SECONDS
            await self._context.sender.send(WorkGeneration(generation_id=self._slice.run.order.id))
