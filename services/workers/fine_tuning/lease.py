"""How fine-tuning jobs are held, and how what is wanted of them is heard."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.fine_tuning.failures import WORKER_LOST, JobFailedError
from services.workers.fine_tuning.give_up.failing import fail_job
from services.workers.fine_tuning.held_job import HeldJob
from services.workers.leases.row_kind import Lease, RowKind
from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import keep_trying
from shared.contracts.queue.messages import RunFineTuningJob
from shared.stores.db.repositories import reaping
from shared.stores.db.repositories.fine_tuning_claims import (
    Wish,
    hand_back_jobs,
    read_wishes,
    renew_jobs,
    requeue_undelivered_jobs,
)


class FineTuningRows(RowKind[HeldJob, Wish | None]):
    """Rows of `fine_tuning_job`."""

    name: ClassVar[str] = "fine_tuning_job"
    listen_seconds: ClassVar[float | None] = 0.5

    def key(self, row: HeldJob) -> Hashable:
        return row.id, row.claimed.attempt

    async def renew(self, session: AsyncSession, rows: Sequence[HeldJob], lease: Lease) -> Mapping[Any, Wish | None]:
        return await renew_jobs(session, [row.claimed for row in rows], lease.worker_id, lease.seconds)

    async def listen(self, session: AsyncSession, rows: Sequence[HeldJob]) -> Mapping[Any, Wish | None]:
        return await read_wishes(session, [row.claimed for row in rows])

    def hear(self, row: HeldJob, wanted: Wish | None) -> None:
        row.hear(wanted)

    async def hand_back(self, session: AsyncSession, rows: Sequence[HeldJob]) -> None:
        await hand_back_jobs(session, [row.claimed for row in rows])

    async def requeue(self, session: AsyncSession, lease_seconds: float) -> Sequence[RunFineTuningJob]:
        return [
            RunFineTuningJob(job_id=job_id) for job_id in await requeue_undelivered_jobs(session, **reaping.DELIVERY)
        ]

    def name_row(self, row: HeldJob) -> str:
        return row.id

    def is_claimed_again(self, row: HeldJob) -> bool:
        return row.claimed.attempt > 1

    async def give_up(self, context: WorkerContext, row: HeldJob, reason: str) -> None:
        """Fail the job, or send it by way of `give_up`, from its next claim on: its training is looked for there."""
        await keep_trying(lambda: fail_job(row, JobFailedError(WORKER_LOST, reason)), what="give a job up")

    def message(self, row: HeldJob) -> RunFineTuningJob:
        return RunFineTuningJob(job_id=row.id)


FINE_TUNING_ROWS: Final = FineTuningRows()
