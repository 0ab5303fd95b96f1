"""The body of `RunFineTuningJob`: claim the job and leave it to the process's desk."""

import asyncio

from services.workers.fine_tuning.desk import FineTuningDesk, load_protocol
from services.workers.leases.row_kind import begin_lease
from services.workers.process.context import WorkerContext
from shared.observability.logs import get_logger
from shared.stores.db.repositories.fine_tuning_claims import claim_job, lock_claimed

log = get_logger(__name__)


async def run_fine_tuning_job(context: WorkerContext, job_id: str) -> None:
    """Claim a job, if nobody holds it, and hand it to the desk. A provider that is not configured any more fails it."""
    if context.stopping.is_set():
        return
    desk = await context.part(FineTuningDesk)
    await asyncio.to_thread(load_protocol)  # before the claim: it takes a second the first time
    lease = begin_lease(context)
    async with context.database.transaction() as session:
        claimed = await claim_job(session, job_id, lease.worker_id, lease.seconds)
        job = await lock_claimed(session, claimed) if claimed else None
    if claimed is None or job is None:
        return
    log.info("fine_tuning_job_claimed", job=claimed.id, attempt=claimed.attempt)
    provider = context.providers.find(job.provider)
    if provider is None:
        await desk.end(claimed, lease)
    else:
        desk.take(claimed, provider, lease)
