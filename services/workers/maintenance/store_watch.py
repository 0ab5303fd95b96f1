"""Whether Postgres has taken writes for long enough to judge who is dead. After an outage every lease has lapsed, also
those of workers that live and wait to renew: they come first, or their rows would be worked on, and paid for, twice."""

import asyncio
import time
from typing import Self

from services.workers.process.context import WorkerContext
from shared.cancellation import cancel_tasks
from shared.observability.logs import get_logger
from shared.stores.away import AWAY_OR_SILENT
from shared.stores.db.repositories.reaping import takes_writes

log = get_logger(__name__)


class StoreWatch:
    """Part of a worker that reaps: asks Postgres as often as leases are renewed."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._steady_since: float | None = None
        self._seen_at = float("-inf")
        self._watching = asyncio.create_task(self._watch_for_ever(), name="store-watch")

    @classmethod
    async def start(cls, context: WorkerContext) -> Self:
        """Return the watch; nothing is steady until a lease's time after its first good look."""
        return cls(context)

    async def stop(self) -> None:
        """Watch no more."""
        await cancel_tasks([self._watching])

    @property
    def is_steady(self) -> bool:
        """Whether everybody who lives has had a lease's time to renew since the last outage (or freeze of our own)."""
        now, settings = time.monotonic(), self._context.worker_settings
        if self._steady_since is None or now - self._seen_at > 4 * settings.renew_seconds:
            return False
        return now - self._steady_since >= settings.lease_seconds

    async def _watch_for_ever(self) -> None:
        while True:
            try:
                await self._look()
            except AWAY_OR_SILENT:
                self._steady_since = None
            except Exception:  # a defect of ours must not end the watch
                log.exception("store_not_watched")
                self._steady_since = None
            await asyncio.sleep(self._context.worker_settings.renew_seconds)

    async def _look(self) -> None:
        settings = self._context.worker_settings
        async with asyncio.timeout(2 * settings.renew_seconds), self._context.database.transaction() as session:
            is_good = await takes_writes(session)
        now = time.monotonic()
        if not is_good or now - self._seen_at > 4 * settings.renew_seconds:
            self._steady_since = None
        if is_good:
            self._steady_since = self._steady_since or now
            self._seen_at = now
