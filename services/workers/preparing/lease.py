"""How datasets are held while they are prepared."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.leases.row_kind import Lease, RowKind
from services.workers.preparing.recording import describe_crash, record_failure
from services.workers.process.context import WorkerContext
from shared.contracts.queue.messages import PrepareDataset
from shared.stores.db.models import Dataset
from shared.stores.db.repositories import reaping
from shared.stores.db.repositories.dataset_claims import ClaimedDataset
from shared.stores.db.repositories.leased_rows import hand_back_rows, renew_rows, requeue_undelivered_rows


class DatasetRows(RowKind[ClaimedDataset, None]):
    """Rows of `dataset`: a renewal says only which of them are still ours."""

    name: ClassVar[str] = "dataset"
    most_deaths: ClassVar[int] = 5
    """A preparation that takes so many workers with it takes much of their memory, and of everybody's."""

    def key(self, row: ClaimedDataset) -> Hashable:
        return row.id, row.attempt

    async def renew(self, session: AsyncSession, rows: Sequence[ClaimedDataset], lease: Lease) -> Mapping[Any, None]:
        return dict.fromkeys(await renew_rows(session, Dataset, rows, lease.worker_id, lease.seconds))

    async def hand_back(self, session: AsyncSession, rows: Sequence[ClaimedDataset]) -> None:
        await hand_back_rows(session, Dataset, rows)

    async def requeue(self, session: AsyncSession, lease_seconds: float) -> Sequence[PrepareDataset]:
        found = await requeue_undelivered_rows(session, Dataset, **reaping.DELIVERY)
        return [PrepareDataset(dataset_id=dataset_id) for dataset_id in found]

    def name_row(self, row: ClaimedDataset) -> str:
        return row.id

    def is_claimed_again(self, row: ClaimedDataset) -> bool:
        return row.attempt > 1

    async def give_up(self, context: WorkerContext, row: ClaimedDataset, reason: str) -> None:
        await record_failure(context, row, describe_crash(reason), {})

    def message(self, row: ClaimedDataset) -> PrepareDataset:
        return PrepareDataset(dataset_id=row.id)


DATASET_ROWS: Final = DatasetRows()
