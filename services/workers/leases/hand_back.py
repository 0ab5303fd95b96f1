"""Rows that a stopping worker gives back: all of a kind in one transaction, then a message each for the others."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from services.workers.leases.row_kind import RowKind
from services.workers.process.context import WorkerContext
from shared.observability.logs import get_logger
from shared.stores.away import AWAY_OR_SILENT

GATHER_SECONDS: Final = 0.05
"""The jobs of a process are cancelled together and arrive within this; each on its own would be hundreds of commits."""
HAND_BACK_SECONDS: Final = 2.5

log = get_logger(__name__)


class HandBackBatch:
    """Gathers the rows of cancelled jobs of one kind."""

    def __init__(self, context: WorkerContext, kind: RowKind[Any, Any]) -> None:
        self._context = context
        self._kind = kind
        self._gathered: list[Any] = []
        self._writing: asyncio.Task[None] | None = None

    async def add(self, row: Any) -> None:
        """Give a row back; returns when its batch is written, or its time is up."""
        self._gathered.append(row)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_soon())
        await asyncio.shield(self._writing)

    async def _write_soon(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        batch, self._gathered, self._writing = self._gathered, [], None
        try:
            async with asyncio.timeout(HAND_BACK_SECONDS):
                await self._write(batch)
        except AWAY_OR_SILENT as error:
            log.warning("rows_not_handed_back", kind=self._kind.name, count=len(batch), error=str(error))
        except Exception:  # a defect of ours: the leases lapse, and the rows are found
            log.exception("rows_not_handed_back", kind=self._kind.name, count=len(batch))

    async def _write(self, batch: Sequence[Any]) -> None:
        async with self._context.database.transaction() as session:
            await self._kind.hand_back(session, batch)
        log.info("rows_handed_back", kind=self._kind.name, count=len(batch))
        await asyncio.gather(*(self._context.sender.send(self._kind.message(row)) for row in batch))
