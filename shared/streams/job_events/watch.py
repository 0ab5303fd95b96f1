"""One loop a process that looks after all watched jobs, however many watch them. Knows nothing of what they show."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from shared.cancellation import cancel_tasks
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.fine_tuning_jobs import JobMark, find_marks
from shared.stores.db.session import Database

log = get_logger(__name__)


@dataclass(slots=True)
class _Watched:
    mark: JobMark | None = None
    viewers: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class JobWatch:
    """Tells its viewers when a job has moved on: one query every `interval_seconds` while anybody watches."""

    def __init__(self, database: Database, interval_seconds: float) -> None:
        self._database = database
        self._interval_seconds = interval_seconds
        self._watched: dict[str, _Watched] = {}
        self._loop: asyncio.Task[None] | None = None

    async def marks(self, job_id: str) -> AsyncGenerator[JobMark, None]:
        """Yield where a job stands now, and again whenever that has changed, until it is over."""
        watched = self._join(job_id)
        seen: JobMark | None = None
        try:
            while seen is None or not seen.is_over:
                changed = watched.changed
                if watched.mark is None or watched.mark == seen:
                    await changed.wait()
                elif watched.mark is not None:
                    seen = watched.mark
                    yield seen
        finally:
            self._leave(job_id)

    async def stop(self) -> None:
        """Stop looking."""
        await cancel_tasks([self._loop])

    def _join(self, job_id: str) -> _Watched:
        watched = self._watched.setdefault(job_id, _Watched())
        watched.viewers += 1
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._look_again_and_again(), name="job-watch")
        return watched

    def _leave(self, job_id: str) -> None:
        watched = self._watched[job_id]
        watched.viewers -= 1
        if watched.viewers == 0:
            del self._watched[job_id]

    async def _look_again_and_again(self) -> None:
        while self._watched:
            try:
                await self._look()
            except STORE_AWAY as error:
                log.warning("jobs_not_looked_at", error=str(error))
            except Exception:  # a defect of ours must not end the looking
                log.exception("jobs_not_looked_at")
            await asyncio.sleep(self._interval_seconds)

    async def _look(self) -> None:
        async with self._database.transaction() as session:
            marks = await find_marks(session, list(self._watched))
        for job_id, mark in marks.items():
            watched = self._watched.get(job_id)
            if watched is not None and watched.mark != mark:
                watched.mark = mark
                watched.changed.set()
                watched.changed = asyncio.Event()
