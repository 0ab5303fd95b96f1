"""How batches are held while their file is checked, and while their answers are written."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.batches.endings import record_failure
from services.workers.batches.line_check import LineError
from services.workers.leases.row_kind import Lease, RowKind
from services.workers.process.context import WorkerContext
from shared.contracts.queue.messages import RunBatch
from shared.outside.providers.failures import FailureClass
from shared.stores.db.repositories import reaping
from shared.stores.db.repositories.batch_claims import (
    BatchClaim,
    hand_back_batches,
    renew_batches,
    requeue_ready_batches,
)


class BatchRows(RowKind[BatchClaim, None]):
    """Rows of `batch`: a renewal says only which of them are still ours; one that is cancelled is not."""

    name: ClassVar[str] = "batch"
    most_deaths: ClassVar[int] = 5

    def key(self, row: BatchClaim) -> Hashable:
        return row.id, row.attempt

    async def renew(self, session: AsyncSession, rows: Sequence[BatchClaim], lease: Lease) -> Mapping[Any, None]:
        return dict.fromkeys(await renew_batches(session, rows, lease.seconds))

    async def hand_back(self, session: AsyncSession, rows: Sequence[BatchClaim]) -> None:
        await hand_back_batches(session, rows)

    async def requeue(self, session: AsyncSession, lease_seconds: float) -> Sequence[RunBatch]:
        return [RunBatch(batch_id) for batch_id in await requeue_ready_batches(session, **reaping.DELIVERY)]

    def name_row(self, row: BatchClaim) -> str:
        return f"{row.id}-{row.status}"

    def is_claimed_again(self, row: BatchClaim) -> bool:
        """The second claim of a batch is the ordinary case: its answers are to be written."""
        return row.attempt > (2 if row.began else 1)

    async def give_up(self, context: WorkerContext, row: BatchClaim, reason: str) -> None:
        await record_failure(context, row, [LineError(FailureClass.INTERNAL_ERROR.value, reason)])

    def message(self, row: BatchClaim) -> RunBatch:
        return RunBatch(row.id)


BATCH_ROWS: Final = BatchRows()
