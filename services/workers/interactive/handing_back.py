"""Rows that a stopping worker gives back: all of them in one transaction, then one message each for the others."""

import asyncio
from collections.abc import Sequence
from typing import Final

from services.workers.interactive.finishing import settle_calls
from services.workers.interactive.running import RunningCompletion
from services.workers.process.context import WorkerContext
from shared.contracts.queue.messages import RunCompletion
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.completion_claims import hand_back_completions

GATHER_SECONDS: Final = 0.05
"""The jobs of a process are cancelled together and arrive within this; each on its own would be hundreds of commits."""
HAND_BACK_SECONDS: Final = 2.5

log = get_logger(__name__)


class HandBackBatch:
    """Gathers the rows of cancelled jobs."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._gathered: list[RunningCompletion] = []
        self._writing: asyncio.Task[None] | None = None

    async def add(self, running: RunningCompletion) -> None:
        """Give a row back; returns when its batch is written, or its time is up."""
        self._gathered.append(running)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_soon())
        await asyncio.shield(self._writing)

    async def _write_soon(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        batch, self._gathered, self._writing = self._gathered, [], None
        try:
            async with asyncio.timeout(HAND_BACK_SECONDS):
                await hand_back(self._context, batch)
        except (*STORE_AWAY, TimeoutError) as error:
            log.warning("rows_not_handed_back", count=len(batch), error=str(error))


async def hand_back(context: WorkerContext, batch: Sequence[RunningCompletion]) -> None:
    """Store the texts so far, end the leases, book the calls, and tell the other workers. A row that cannot be
    handed back is found when its lease lapses; a message that cannot be sent is sent by the reaper."""
    async with context.database.transaction() as session:
        await hand_back_completions(session, [running.checkpoint(with_text=True) for running in batch])
        await settle_calls(session, [running.call for running in batch])
    log.info("rows_handed_back", count=len(batch))
    await asyncio.gather(*(context.sender.send(RunCompletion(running.id)) for running in batch))
