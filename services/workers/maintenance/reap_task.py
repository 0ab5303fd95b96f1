"""The body of `ReapLapsed`: one round of the reaper. Each step is a transaction of its own, and harmless when two
reapers run at once."""

from collections.abc import Sequence
from typing import Any, Final

from services.workers.leases.row_kind import RowKind
from services.workers.maintenance.left_stories import cancel_left_stories
from services.workers.maintenance.lost_attempts import settle_lost_attempts
from services.workers.maintenance.overdue_uploads import end_overdue_uploads
from services.workers.maintenance.store_watch import StoreWatch
from services.workers.maintenance.stream_ends import publish_missing_ends
from services.workers.process.context import WorkerContext
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories import reaping

IDEMPOTENCY_KEY_HOURS: Final = 24

log = get_logger(__name__)


async def reap(context: WorkerContext, row_kinds: Sequence[RowKind[Any, Any]]) -> None:
    """Find what nobody holds, queue it again, and send its messages after the commit; just after an outage, let those
    who live renew first."""
    watch = await context.part(StoreWatch)
    for kind in row_kinds if watch.is_steady else ():
        try:
            await requeue(context, kind)
        except STORE_AWAY:
            raise
        except Exception:  # a defect in one kind must not leave the rows of all others lying
            log.exception("rows_not_requeued", kind=kind.name)
    await settle_lost_attempts(context)
    await publish_missing_ends(context)
    await end_overdue_uploads(context)
    await cancel_left_stories(context)
    async with context.database.transaction() as session:
        await reaping.delete_old_idempotency_keys(session, older_than_hours=IDEMPOTENCY_KEY_HOURS)


async def requeue(context: WorkerContext, kind: RowKind[Any, Any]) -> None:
    """Free the rows of one kind that nobody holds, and send their messages; one that cannot be sent now waits for a
    later round."""
    async with context.database.transaction() as session:
        messages = await kind.requeue(session, context.worker_settings.lease_seconds)
    if messages:
        log.info("rows_requeued", kind=kind.name, count=len(messages))
    for message in messages:
        await context.sender.send(message)
