"""How evaluations, comparisons and removals of models are held."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.leases.row_kind import Lease, RowKind
from shared.contracts.queue.messages import CompareModels, EvaluateModel, Message, RemoveModel
from shared.stores.db.models import ModelComparison, ModelEvaluation
from shared.stores.db.repositories import reaping
from shared.stores.db.repositories.model_claims import (
    ClaimedWork,
    WorkTable,
    hand_back_work,
    renew_work,
    requeue_undelivered,
)
from shared.stores.db.repositories.model_removal import OwedRemoval, list_owed_removals, put_off_removals


class ModelWorkRows(RowKind[ClaimedWork, None]):
    """Rows of one of two tables that are worked on alike."""

    def __init__(self, table: WorkTable, make_message: Callable[[str], Message]) -> None:
        self.name = table.__tablename__
        self._table = table
        self._make_message = make_message

    def key(self, row: ClaimedWork) -> Hashable:
        return row.id, row.attempt

    async def renew(self, session: AsyncSession, rows: Sequence[ClaimedWork], lease: Lease) -> Mapping[Any, None]:
        return dict.fromkeys(await renew_work(session, self._table, rows, lease.worker_id, lease.seconds))

    async def hand_back(self, session: AsyncSession, rows: Sequence[ClaimedWork]) -> None:
        await hand_back_work(session, self._table, rows)

    async def requeue(self, session: AsyncSession, lease_seconds: float) -> Sequence[Message]:
        found = await requeue_undelivered(session, self._table, **reaping.DELIVERY)
        return [self._make_message(row_id) for row_id in found]

    def message(self, row: ClaimedWork) -> Message:
        return self._make_message(row.id)


class RemovalRows(RowKind[OwedRemoval, datetime]):
    """Models that are deleted here and still stand at their providers: the time when one is due is its lease."""

    name: ClassVar[str] = "model_removal"

    def key(self, row: OwedRemoval) -> Hashable:
        return row.id

    async def renew(self, session: AsyncSession, rows: Sequence[OwedRemoval], lease: Lease) -> Mapping[Any, datetime]:
        return await put_off_removals(session, rows, lease.seconds)

    def hear(self, row: OwedRemoval, wanted: datetime) -> None:
        row.due_ats[:] = [wanted]

    async def hand_back(self, session: AsyncSession, rows: Sequence[OwedRemoval]) -> None:
        await put_off_removals(session, rows, 0)

    async def requeue(self, session: AsyncSession, lease_seconds: float) -> Sequence[RemoveModel]:
        found = await list_owed_removals(session, delay_seconds=reaping.DELIVERY_SECONDS)
        return [RemoveModel(model_id=model_id) for model_id in found]

    def message(self, row: OwedRemoval) -> RemoveModel:
        return RemoveModel(model_id=row.id)


EVALUATION_ROWS: Final = ModelWorkRows(ModelEvaluation, lambda row_id: EvaluateModel(evaluation_id=row_id))
COMPARISON_ROWS: Final = ModelWorkRows(ModelComparison, lambda row_id: CompareModels(comparison_id=row_id))
REMOVAL_ROWS: Final = RemovalRows()
