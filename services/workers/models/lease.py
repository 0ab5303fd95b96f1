"""How evaluations, comparisons and removals of models are held."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.leases.row_kind import Lease, LostRowError, RowKind
from services.workers.models.paid_calls import settle_lost
from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import write_patiently
from shared.contracts.queue.messages import CompareModels, EvaluateModel, Message, RemoveModel
from shared.observability.logs import get_logger
from shared.stores.db.models import ModelComparison, ModelEvaluation
from shared.stores.db.repositories import reaping
from shared.stores.db.repositories.leased_rows import hand_back_rows, renew_rows, requeue_undelivered_rows
from shared.stores.db.repositories.model_claims import ClaimedWork, WorkTable, fail_work
from shared.stores.db.repositories.removal_claims import (
    ClaimedRemoval,
    list_owed_removals,
    put_off_removals,
    settle_removal,
)

CANNOT_SCORE: Final = "cannot_score"
CANNOT_COMPARE: Final = "cannot_compare"
"""Codes of evaluations and comparisons that failed for a reason of their own."""

SETTLE_TRIES: Final = 3

log = get_logger(__name__)


class ModelWorkRows(RowKind[ClaimedWork, None]):
    """Rows of one of two tables that are worked on alike."""

    most_deaths: ClassVar[int] = 5
    """Each pays for its calls again."""

    def __init__(self, table: WorkTable, failure_code: str, make_message: Callable[[str], Message]) -> None:
        self.name = table.__tablename__
        self._failure_code = failure_code
        self._table = table
        self._make_message = make_message

    def key(self, row: ClaimedWork) -> Hashable:
        return row.id, row.attempt

    async def renew(self, session: AsyncSession, rows: Sequence[ClaimedWork], lease: Lease) -> Mapping[Any, None]:
        return dict.fromkeys(await renew_rows(session, self._table, rows, lease.worker_id, lease.seconds))

    async def hand_back(self, session: AsyncSession, rows: Sequence[ClaimedWork]) -> None:
        await hand_back_rows(session, self._table, rows)

    async def requeue(self, session: AsyncSession, lease_seconds: float) -> Sequence[Message]:
        found = await requeue_undelivered_rows(session, self._table, **reaping.DELIVERY)
        return [self._make_message(row_id) for row_id in found]

    def name_row(self, row: ClaimedWork) -> str:
        return row.id

    def is_claimed_again(self, row: ClaimedWork) -> bool:
        return row.attempt > 1

    async def give_up(self, context: WorkerContext, row: ClaimedWork, reason: str) -> None:
        async def write(session: AsyncSession) -> None:
            await settle_lost(session, row)
            await fail_work(session, row, self._failure_code, reason)

        await write_patiently(context.database, write, what="give model work up")

    def message(self, row: ClaimedWork) -> Message:
        return self._make_message(row.id)


class RemovalRows(RowKind[ClaimedRemoval, datetime]):
    """Models that are deleted here and still stand at their providers: the time when one is due is its lease."""

    name: ClassVar[str] = "model_removal"

    def key(self, row: ClaimedRemoval) -> Hashable:
        return row.id

    async def renew(
        self, session: AsyncSession, rows: Sequence[ClaimedRemoval], lease: Lease
    ) -> Mapping[Any, datetime]:
        return await put_off_removals(session, rows, lease.seconds)

    def hear(self, row: ClaimedRemoval, wanted: datetime) -> None:
        row.due_ats[:] = [wanted]

    async def hand_back(self, session: AsyncSession, rows: Sequence[ClaimedRemoval]) -> None:
        await put_off_removals(session, rows, 0)

    async def requeue(self, session: AsyncSession, lease_seconds: float) -> Sequence[RemoveModel]:
        found = await list_owed_removals(session, delay_seconds=reaping.DELIVERY_SECONDS)
        return [RemoveModel(model_id=model_id) for model_id in found]

    def name_row(self, row: ClaimedRemoval) -> str:
        return row.id

    def is_claimed_again(self, row: ClaimedRemoval) -> bool:
        """The row does not say how often it was claimed."""
        return True

    async def give_up(self, context: WorkerContext, row: ClaimedRemoval, reason: str) -> None:
        log.warning("model_left_at_provider", model=row.name, reason=reason)
        await end_removal(context, row)

    def message(self, row: ClaimedRemoval) -> RemoveModel:
        return RemoveModel(model_id=row.id)


async def end_removal(context: WorkerContext, owed: ClaimedRemoval) -> None:
    """Record that nothing is owed any more. A renewal may come in between, and change what our claim is known by.
    Raises: LostRowError when the removal is another worker's."""
    for _ in range(SETTLE_TRIES):
        if await write_patiently(context.database, lambda session: settle_removal(session, owed), what="end a removal"):
            return
    raise LostRowError(owed.name)


EVALUATION_ROWS: Final = ModelWorkRows(
    ModelEvaluation, CANNOT_SCORE, lambda row_id: EvaluateModel(evaluation_id=row_id)
)
COMPARISON_ROWS: Final = ModelWorkRows(
    ModelComparison, CANNOT_COMPARE, lambda row_id: CompareModels(comparison_id=row_id)
)
REMOVAL_ROWS: Final = RemovalRows()
