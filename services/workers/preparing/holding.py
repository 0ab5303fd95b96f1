"""A worker's hold on a dataset: the lease is renewed while the preparation runs, and given back when it is stopped."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from services.workers.process.context import WorkerContext
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.dataset_claims import (
    RENEW_SECONDS,
    ClaimedDataset,
    hand_back_dataset,
    renew_dataset,
)

log = get_logger(__name__)


async def work_while_held(context: WorkerContext, claimed: ClaimedDataset, work: Coroutine[Any, Any, None]) -> None:
    """Do `work` under the lease. It is cancelled when the dataset is lost to another worker; when this worker stops
    first, the dataset is handed back."""
    task = asyncio.create_task(work)
    try:
        async with renewing(context, claimed, task):
            await task
    except asyncio.CancelledError:
        if not task.cancelled():
            task.cancel()
            await asyncio.wait({task})
        current = asyncio.current_task()
        if current is None or not current.cancelling():
            log.warning("dataset_lost", dataset=claimed.id, attempt=claimed.attempt)
            return
        async with context.database.transaction() as session:
            await hand_back_dataset(session, claimed)
        raise


@asynccontextmanager
async def renewing(context: WorkerContext, claimed: ClaimedDataset, work: "asyncio.Task[None]") -> AsyncIterator[None]:
    """Renew the lease while the block lasts; cancel `work` when it is not ours any more."""

    async def renew_for_ever() -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                async with context.database.transaction() as session:
                    is_ours = await renew_dataset(session, claimed, context.worker_id)
            except STORE_AWAY as error:
                # Nobody can take it while Postgres is away.
                log.warning("lease_not_renewed", dataset=claimed.id, error=str(error))
                continue
            if not is_ours:
                work.cancel()
                return

    renewal = asyncio.create_task(renew_for_ever())
    try:
        yield
    finally:
        renewal.cancel()
