"""Fine-tuning jobs that nobody took, or whose worker is gone: sent again."""

from services.workers.process.context import WorkerContext
from shared.contracts.queue.messages import Message, RunFineTuningJob
from shared.observability.logs import get_logger
from shared.stores.db.repositories import reaping
from shared.stores.db.repositories.fine_tuning_claims import requeue_undelivered_jobs

log = get_logger(__name__)


async def find_unheld_jobs(context: WorkerContext) -> list[Message]:
    """Free the jobs that nobody holds; return their messages."""
    async with context.database.transaction() as session:
        found = await requeue_undelivered_jobs(
            session,
            row_limit=reaping.BATCH_ROWS,
            delivery_seconds=reaping.DELIVERY_SECONDS,
            redelivery_seconds=reaping.REDELIVERY_SECONDS,
        )
    if found:
        log.info("fine_tuning_jobs_sent_again", count=len(found))
    return [RunFineTuningJob(job_id=job_id) for job_id in found]
