"""Tell viewers the end of finished completions whose worker died between commit and end frame."""

from services.workers.process.context import WorkerContext
from services.workers.streams.ending import publish_end
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.completion_claims import mark_ends_published
from shared.stores.db.repositories.completions import find_stored_text
from shared.stores.db.repositories.reaping import find_missing_ends

log = get_logger(__name__)


async def publish_missing_ends(context: WorkerContext) -> None:
    """Publish ends that are due, and mark their rows. Doing it twice changes nothing for viewers."""
    async with context.database.transaction() as session:
        due = await find_missing_ends(session)
    for completion_id in due:
        await publish_one(context, completion_id)


async def publish_one(context: WorkerContext, completion_id: str) -> None:
    """Publish one end."""
    async with context.database.transaction() as session:
        stored = await find_stored_text(session, completion_id)
    if stored is None or not stored.is_final:
        return
    try:
        await publish_end(context.redis, stored.to_end())
    except STORE_AWAY as error:
        log.warning("end_not_published", stream=completion_id, error=str(error))
        return
    async with context.database.statement() as connection:
        await mark_ends_published(connection, [completion_id])
    log.info("end_healed", stream=completion_id)
