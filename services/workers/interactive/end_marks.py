"""Rows whose end frame is out, marked together a moment later: nobody waits for the mark. One that is lost costs the
reaper a second end, which changes nothing for viewers."""

import asyncio
from typing import Final, Self

from services.workers.process.context import WorkerContext
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.completion_claims import mark_ends_published

GATHER_SECONDS: Final = 0.05

log = get_logger(__name__)


class EndMarks:
    """Part of an interactive worker."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._gathered: list[str] = []
        self._writing: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, context: WorkerContext) -> Self:
        """Return the marks, empty."""
        return cls(context)

    async def stop(self) -> None:
        """Write what is gathered."""
        if self._writing is not None:
            await self._writing

    def add(self, stream_id: str) -> None:
        """Mark a row soon."""
        self._gathered.append(stream_id)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_soon(), name="end-marks")

    async def _write_soon(self) -> None:
        while self._gathered:
            await asyncio.sleep(GATHER_SECONDS)
            batch, self._gathered = self._gathered, []
            try:
                async with self._context.database.statement() as connection:
                    await mark_ends_published(connection, batch)
            except STORE_AWAY as failure:
                log.warning("ends_not_marked", count=len(batch), error=str(failure))
            except Exception:  # a defect of ours: the reaper marks them
                log.exception("ends_not_marked", count=len(batch))
        self._writing = None
