"""The body of `ReapLapsed`: one round of the reaper. Each step is a transaction of its own, and harmless when two
reapers run at once."""

from services.workers.maintenance.left_stories import cancel_left_stories
from services.workers.maintenance.lost_attempts import settle_lost_attempts
from services.workers.maintenance.overdue_uploads import end_overdue_uploads
from services.workers.maintenance.owed_deliveries import find_owed_deliveries
from services.workers.maintenance.owed_model_work import find_owed_model_work
from services.workers.maintenance.stream_ends import publish_missing_ends
from services.workers.maintenance.unheld_fine_tuning import find_unheld_jobs
from services.workers.process.context import WorkerContext
from shared.contracts.queue.messages import ExpandGeneration, Message, PrepareDataset, RunCompletion, WorkGeneration
from shared.observability.logs import get_logger
from shared.stores.db.repositories import reaping
from shared.stores.db.repositories.dataset_claims import requeue_undelivered_datasets

IDEMPOTENCY_KEY_HOURS = 24

log = get_logger(__name__)


async def reap(context: WorkerContext) -> None:
    """Find what nobody holds, queue it again, and send its messages after the commit."""
    async with context.database.transaction() as session:
        stories = await reaping.requeue_lapsed_stories(session)
    if stories:
        log.info("stories_requeued", count=stories)
    await send_all(
        context,
        [*await requeue_completions(context), *await requeue_datasets(context), *await take_unheld_runs(context)],
    )
    await send_all(context, await find_unheld_jobs(context))
    await send_all(context, await find_owed_deliveries(context))
    await send_all(context, await find_owed_model_work(context))
    await settle_lost_attempts(context)
    await publish_missing_ends(context)
    await end_overdue_uploads(context)
    await cancel_left_stories(context)
    async with context.database.transaction() as session:
        await reaping.delete_old_idempotency_keys(session, older_than_hours=IDEMPOTENCY_KEY_HOURS)


async def requeue_completions(context: WorkerContext) -> list[Message]:
    """Queue again the completions that nobody took or holds; return their messages."""
    async with context.database.transaction() as session:
        found = await reaping.requeue_undelivered_completions(session)
    if found:
        log.info("completions_requeued", count=len(found))
    return [RunCompletion(completion_id=completion_id) for completion_id in found]


async def requeue_datasets(context: WorkerContext) -> list[Message]:
    """Queue again the datasets that nobody took or holds; return their messages."""
    async with context.database.transaction() as session:
        found = await requeue_undelivered_datasets(
            session,
            row_limit=reaping.BATCH_ROWS,
            delivery_seconds=reaping.DELIVERY_SECONDS,
            redelivery_seconds=reaping.REDELIVERY_SECONDS,
        )
    if found:
        log.info("datasets_requeued", count=len(found))
    return [PrepareDataset(dataset_id=dataset_id) for dataset_id in found]


async def take_unheld_runs(context: WorkerContext) -> list[Message]:
    """Return the messages of runs that no worker holds."""
    async with context.database.transaction() as session:
        found = await reaping.take_unheld_generations(session)
    if found:
        log.info("generations_sent_again", count=len(found))
    expand: list[Message] = [ExpandGeneration(generation_id=run.id) for run in found if run.needs_expansion]
    return [*expand, *(WorkGeneration(generation_id=run.id) for run in found)]


async def send_all(context: WorkerContext, messages: list[Message]) -> None:
    """Send messages; one that cannot be sent now waits for a later round."""
    for message in messages:
        await context.sender.send(message)
