"""Evaluations and comparisons that nobody took or holds, and models still to be deleted at their providers."""

from services.workers.process.context import WorkerContext
from shared.contracts.queue.messages import CompareModels, EvaluateModel, Message, RemoveModel
from shared.observability.logs import get_logger
from shared.stores.db.models import ModelComparison, ModelEvaluation
from shared.stores.db.repositories import reaping
from shared.stores.db.repositories.model_claims import WorkTable, requeue_undelivered
from shared.stores.db.repositories.model_removal import list_owed_removals

log = get_logger(__name__)


async def find_owed_model_work(context: WorkerContext) -> list[Message]:
    """Return the messages to be sent again."""
    async with context.database.transaction() as session:
        removals = await list_owed_removals(session, delay_seconds=reaping.DELIVERY_SECONDS)
    evaluations = await requeue(context, ModelEvaluation)
    comparisons = await requeue(context, ModelComparison)
    if evaluations or comparisons or removals:
        log.info("model_work_sent", evaluations=len(evaluations), comparisons=len(comparisons), removals=len(removals))
    return [
        *(EvaluateModel(evaluation_id=row_id) for row_id in evaluations),
        *(CompareModels(comparison_id=row_id) for row_id in comparisons),
        *(RemoveModel(model_id=row_id) for row_id in removals),
    ]


async def requeue(context: WorkerContext, table: WorkTable) -> list[str]:
    """Queue again what nobody holds."""
    async with context.database.transaction() as session:
        return await requeue_undelivered(
            session,
            table,
            row_limit=reaping.BATCH_ROWS,
            delivery_seconds=reaping.DELIVERY_SECONDS,
            redelivery_seconds=reaping.REDELIVERY_SECONDS,
        )
