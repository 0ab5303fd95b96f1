"""The body of `ReapLapsed`: one round of the reaper. Each step is a transaction of its own, and harmless when two
reapers run at once. What one step meets keeps no other from its turn."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from services.workers.leases.row_kind import RowKind
from services.workers.maintenance.left_stories import cancel_left_stories
from services.workers.maintenance.lost_attempts import settle_lost_attempts
from services.workers.maintenance.overdue_uploads import end_overdue_uploads
from services.workers.maintenance.store_watch import StoreWatch
from services.workers.maintenance.stream_ends import publish_missing_ends
from services.workers.process.context import WorkerContext
from services.workers.process.metrics import REAPER_STEPS_FAILED
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY, StatementTimeoutError
from shared.stores.db.repositories import reaping

IDEMPOTENCY_KEY_HOURS: Final = 24

log = get_logger(__name__)


async def reap(context: WorkerContext, row_kinds: Sequence[RowKind[Any, Any]]) -> None:
    """Find what nobody holds, queue it again, and send its messages after the commit; just after an outage, let those
    who live renew first. Raises: StoreAwayError when a store is away: the other steps would not reach it either."""
    watch = await context.part(StoreWatch)
    for kind in row_kinds if watch.is_steady else ():
        await take_step(f"requeue {kind.name}", partial(requeue, context, kind))
    await take_step("settle lost attempts", partial(settle_lost_attempts, context))
    await take_step("publish missing ends", partial(publish_missing_ends, context))
    await take_step("end overdue uploads", partial(end_overdue_uploads, context))
    await take_step("cancel left stories", partial(cancel_left_stories, context))
    await take_step("delete old idempotency keys", partial(delete_old_keys, context))


async def take_step(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do a step of the round; a defect in it, or a statement that takes too long, is this step's own failure: counted,
    and tried again in the next round. Raises: what else says that a store is away."""
    try:
        await work()
    except StatementTimeoutError as error:
        REAPER_STEPS_FAILED.labels(name, "too_slow").inc()
        log.error("reaper_step_failed", step=name, error=str(error))
    except STORE_AWAY:
        raise
    except Exception:
        REAPER_STEPS_FAILED.labels(name, "defect").inc()
        log.exception("reaper_step_failed", step=name)


async def requeue(context: WorkerContext, kind: RowKind[Any, Any]) -> None:
    """Free the rows of one kind that nobody holds, and send their messages; one that cannot be sent now waits for a
    later round."""
    async with context.database.transaction() as session:
        messages = await kind.requeue(session, context.worker_settings.lease_seconds)
    if messages:
        log.info("rows_requeued", kind=kind.name, count=len(messages))
    for message in messages:
        await context.sender.send(message)


async def delete_old_keys(context: WorkerContext) -> None:
    """Forget the idempotency keys that no client comes back with."""
    async with context.database.transaction() as session:
        await reaping.delete_old_idempotency_keys(session, older_than_hours=IDEMPOTENCY_KEY_HOURS)
