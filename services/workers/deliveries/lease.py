"""How webhooks and tracker runs are held while they are told."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.leases.row_kind import Lease, RowKind
from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import write_patiently
from shared.contracts.queue.messages import DeliverOutbox, TellTracker
from shared.stores.db.repositories import reaping
from shared.stores.db.repositories.delivery_claims import (
    DueDelivery,
    hand_back_deliveries,
    mark_failed,
    renew_deliveries,
)
from shared.stores.db.repositories.outbox import is_any_due
from shared.stores.db.repositories.tracker_claims import (
    ClaimedRun,
    give_up_run,
    hand_back_runs,
    renew_runs,
    take_due_runs,
)


class WebhookRows(RowKind[DueDelivery, None]):
    """Rows of `outbox`: the number of a try is its attempt, the time when it is due its lease."""

    name: ClassVar[str] = "webhook"

    def key(self, row: DueDelivery) -> Hashable:
        return row.id, row.tries

    async def renew(self, session: AsyncSession, rows: Sequence[DueDelivery], lease: Lease) -> Mapping[Any, None]:
        return dict.fromkeys(await renew_deliveries(session, rows, lease.seconds))

    async def hand_back(self, session: AsyncSession, rows: Sequence[DueDelivery]) -> None:
        await hand_back_deliveries(session, rows)

    async def requeue(self, session: AsyncSession, lease_seconds: float) -> Sequence[DeliverOutbox]:
        return [DeliverOutbox()] if await is_any_due(session) else []

    def name_row(self, row: DueDelivery) -> str:
        return row.id

    def is_claimed_again(self, row: DueDelivery) -> bool:
        return row.tries > 0

    async def give_up(self, context: WorkerContext, row: DueDelivery, reason: str) -> None:
        await write_patiently(
            context.database,
            lambda session: mark_failed(session, row, reason, wait_seconds=None),
            what="mark a webhook",
        )

    def message(self, row: DueDelivery) -> DeliverOutbox:
        return DeliverOutbox()


class TrackerRows(RowKind[ClaimedRun, None]):
    """Rows of `tracker_run`."""

    name: ClassVar[str] = "tracker"

    def key(self, row: ClaimedRun) -> Hashable:
        return row.job_id, row.sink, row.attempt

    async def renew(self, session: AsyncSession, rows: Sequence[ClaimedRun], lease: Lease) -> Mapping[Any, None]:
        return dict.fromkeys(await renew_runs(session, rows, lease.seconds))

    async def hand_back(self, session: AsyncSession, rows: Sequence[ClaimedRun]) -> None:
        await hand_back_runs(session, rows)

    async def requeue(self, session: AsyncSession, lease_seconds: float) -> Sequence[TellTracker]:
        return [
            TellTracker(job_id=job_id, sink=sink) for job_id, sink in await take_due_runs(session, reaping.BATCH_ROWS)
        ]

    def name_row(self, row: ClaimedRun) -> str:
        return f"{row.job_id}:{row.sink}"

    def is_claimed_again(self, row: ClaimedRun) -> bool:
        return row.attempt > 1

    async def give_up(self, context: WorkerContext, row: ClaimedRun, reason: str) -> None:
        await write_patiently(
            context.database, lambda session: give_up_run(session, row, reason, row.tries), what="end a tracker run"
        )

    def message(self, row: ClaimedRun) -> TellTracker:
        return TellTracker(job_id=row.job_id, sink=row.sink)


WEBHOOK_ROWS: Final = WebhookRows()
TRACKER_ROWS: Final = TrackerRows()
