"""The tracker runs that this process tells: a bounded number of child processes, given up in turns when more runs
want one. One per process."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final, Self

from services.workers.deliveries.lease import TRACKER_ROWS
from services.workers.deliveries.sink_process import SinkError
from services.workers.deliveries.tracker_session import TrackerSession
from services.workers.leases.hold import Hold
from services.workers.leases.row_kind import begin_lease
from services.workers.leases.working import work_while_held
from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import write_patiently
from shared.clock import utc_now
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.tracker_claims import (
    ClaimedRun,
    claim_run,
    complete_run,
    count_failure,
    give_up_run,
    leave_run,
)
from shared.stores.db.repositories.tracker_runs import get_told_job

IDLE_WAIT_SECONDS: Final = 3.0
"""Between two looks at a job that has nothing new to tell."""
FIRST_WAIT_SECONDS: Final = 5.0
LONGEST_WAIT_SECONDS: Final = 900.0
PATIENCE: Final = timedelta(days=7)
"""A tracker that is down for so long after the job's end is told no more."""

Key = tuple[str, str]
"""Job and sink."""

log = get_logger(__name__)


class TrackerDesk:
    """The sessions under way and the runs that wait for a place."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._sessions: dict[Key, asyncio.Task[None]] = {}
        self._waiting: dict[Key, None] = {}

    @classmethod
    async def start(cls, context: WorkerContext) -> Self:
        """Return the desk, empty."""
        return cls(context)

    def take(self, job_id: str, sink: str) -> None:
        """Tell a run when there is a place, unless it is being told."""
        if (job_id, sink) not in self._sessions:
            self._waiting[job_id, sink] = None
            self._fill()

    async def stop(self) -> None:
        """End the sessions; what they have told is safe, the rest is another worker's."""
        sessions = list(self._sessions.values())
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)

    def _fill(self) -> None:
        while (
            self._waiting
            and len(self._sessions) < self._context.worker_settings.tracker_processes
            and not self._context.stopping.is_set()
        ):
            key = next(iter(self._waiting))
            del self._waiting[key]
            self._sessions[key] = task = asyncio.create_task(self._hold(key))
            task.add_done_callback(partial(self._leave, key))

    def _leave(self, key: Key, _task: "asyncio.Task[None]") -> None:
        del self._sessions[key]
        self._fill()

    async def _hold(self, key: Key) -> None:
        try:
            lease = begin_lease(self._context)
            async with self._context.database.transaction() as session:
                claimed = await claim_run(session, *key, lease.worker_id, lease.seconds)
            if claimed is not None:
                work = partial(tell, self._context, claimed, self._is_wanted)
                await work_while_held(self._context, TRACKER_ROWS, claimed, lease, work)
        except STORE_AWAY as error:
            log.warning("tracker_left_to_the_reaper", job=key[0], sink=key[1], error=str(error))
        except Exception:  # a defect of ours: the lease lapses, and the run is taken again
            log.exception("tracker_session_failed", job=key[0], sink=key[1])

    def _is_wanted(self) -> bool:
        return bool(self._waiting)


async def tell(context: WorkerContext, claimed: ClaimedRun, is_wanted: Callable[[], bool], hold: Hold) -> None:
    """Take one turn at a run, and write how it ended. Raises: LostRowError when another
    has the run; an error of `STORE_AWAY`, and the run is taken again."""
    try:
        is_complete = await TrackerSession.of(context, claimed, is_wanted, hold).run()
    except SinkError as error:
        await record_failure(context, claimed, error.message)
        return
    if is_complete:
        await write_patiently(
            context.database, lambda session: complete_run(session, claimed), what="end a tracker run"
        )
        log.info("tracker_complete", job=claimed.job_id, sink=claimed.sink)
    else:
        async with context.database.transaction() as session:
            await leave_run(session, claimed, wait_seconds=IDLE_WAIT_SECONDS)


async def record_failure(context: WorkerContext, claimed: ClaimedRun, error: str) -> None:
    """Write why a tracker could not be told, and try again later, or no more when it has been down for too long."""
    async with context.database.transaction() as session:
        job = await get_told_job(session, claimed.job_id)
        tries = await count_failure(session, claimed)
        if job.finished_at is not None and utc_now() - job.finished_at > PATIENCE:
            await give_up_run(session, claimed, error, tries)
        else:
            wait = min(FIRST_WAIT_SECONDS * 2 ** min(tries - 1, 10), LONGEST_WAIT_SECONDS)
            await leave_run(session, claimed, error=error, tries=tries, wait_seconds=wait)
    log.warning("tracker_failed", job=claimed.job_id, sink=claimed.sink, tries=tries, error=error)
