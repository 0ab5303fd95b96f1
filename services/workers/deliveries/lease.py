"""How webhooks and tracker runs are held while they are told."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.leases.row_kind import Lease, RowKind
from shared.contracts.queue.messages import DeliverOutbox, TellTracker
from shared.stores.db.repositories import reaping
from shared.stores.db.repositories.outbox import DueDelivery, hand_back_deliveries, is_any_due, renew_deliveries
from shared.stores.db.repositories.tracker_runs import ClaimedRun, hand_back_runs, renew_runs, take_due_runs


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

    def message(self, row: ClaimedRun) -> TellTracker:
        return TellTracker(job_id=row.job_id, sink=row.sink)


WEBHOOK_ROWS: Final = WebhookRows()
TRACKER_ROWS: Final = TrackerRows()
