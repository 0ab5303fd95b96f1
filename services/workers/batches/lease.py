"""How batches are held while their file is checked, and while their answers are written."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.batches.endings import record_failure
from services.workers.batches.line_check import LineError
from services.workers.leases.row_kind import Lease, RowKind
from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import write_patiently
from shared.contracts.queue.messages import RunBatch
from shared.observability.logs import get_logger
from shared.outside.providers.failures import FailureClass
from shared.stores.db.repositories import reaping
from shared.stores.db.repositories.batch_claims import (
    BatchClaim,
    hand_back_batches,
    renew_batches,
    requeue_ready_batches,
)

PUT_OFF_SECONDS: Final = 300.0
"""So long a batch rests whose answers could not be written several times in a row."""

log = get_logger(__name__)


class BatchRows(RowKind[BatchClaim, None]):
    """Rows of `batch`: a renewal says only which of them are still ours; one that is cancelled is not."""

    name: ClassVar[str] = "batch"
    most_deaths: ClassVar[int] = 5

    def key(self, row: BatchClaim) -> Hashable:
        return row.id, row.attempt

    async def renew(self, session: AsyncSession, rows: Sequence[BatchClaim], lease: Lease) -> Mapping[Any, None]:
        return dict.fromkeys(await renew_batches(session, rows, lease.worker_id, lease.seconds))

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
        """End a batch that was not begun. One whose answers are there, and paid for, is put off instead: what is in
        its way, like a full disk, may pass. It is counted anew from then on."""
        if row.began:
            await put_off(context, row)
        else:
            await record_failure(context, row, [LineError(FailureClass.INTERNAL_ERROR.value, reason)])

    def message(self, row: BatchClaim) -> RunBatch:
        return RunBatch(row.id)


async def put_off(context: WorkerContext, row: BatchClaim) -> None:
    """Leave a batch to the reaper, who sends it when some minutes have passed."""

    async def write(session: AsyncSession) -> None:
        await hand_back_batches(session, [row], PUT_OFF_SECONDS)

    await write_patiently(context.database, write, what="put a batch off")
    log.error("batch_put_off", batch=row.id, seconds=PUT_OFF_SECONDS)


BATCH_ROWS: Final = BatchRows()
