"""A worker's hold on an evaluation or comparison: the lease is renewed while the work goes on, and given back when it
is stopped."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from services.workers.process.context import WorkerContext
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.model_claims import RENEW_SECONDS, ClaimedWork, hand_back_work, renew_work

log = get_logger(__name__)


class LostWorkError(Exception):
    """The row is not ours any more: nothing may be written."""


async def work_while_held(context: WorkerContext, claimed: ClaimedWork, work: Coroutine[Any, Any, None]) -> None:
    """Do `work` under the lease. It is cancelled when the row is lost to another worker; when this worker stops first,
    the row is handed back."""
    task = asyncio.create_task(work)
    try:
        async with renewing(context, claimed, task):
            await task
    except LostWorkError:
        log.warning("model_work_lost", id=claimed.id, attempt=claimed.attempt)
    except asyncio.CancelledError:
        if not task.cancelled():
            task.cancel()
            await asyncio.wait({task})
        current = asyncio.current_task()
        if current is None or not current.cancelling():
            log.warning("model_work_lost", id=claimed.id, attempt=claimed.attempt)
            return
        async with context.database.transaction() as session:
            await hand_back_work(session, claimed)
        raise


@asynccontextmanager
async def renewing(context: WorkerContext, claimed: ClaimedWork, work: "asyncio.Task[None]") -> AsyncIterator[None]:
    """Renew the lease while the block lasts; cancel `work` when it is not ours any more."""

    async def renew_for_ever() -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                async with context.database.transaction() as session:
                    is_ours = await renew_work(session, claimed, context.worker_id)
            except STORE_AWAY as error:
                # Nobody can take it while Postgres is away.
                log.warning("lease_not_renewed", id=claimed.id, error=str(error))
                continue
            if not is_ours:
                work.cancel()
                return

    renewal = asyncio.create_task(renew_for_ever())
    try:
        yield
    finally:
        renewal.cancel()
