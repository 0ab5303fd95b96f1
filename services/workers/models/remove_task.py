"""The body of `RemoveModel`: a model that is deleted here is deleted at its provider too."""

from typing import Final

from services.workers.process.context import WorkerContext
from shared.observability.logs import get_logger
from shared.outside.providers.configuration import Target
from shared.outside.providers.failures import LlmError
from shared.stores.db.repositories.model_removal import settle_removal, take_removal

TIMEOUT_SECONDS: Final = 30.0

log = get_logger(__name__)


async def remove_model(context: WorkerContext, model_id: str) -> None:
    """Ask the provider once; a failure that may pass is tried again a minute later, any other is left with a line in
    the log: the model stays hidden here all the same."""
    async with context.database.transaction() as session:
        owed = await take_removal(session, model_id)
    if owed is None:
        return
    provider = context.providers.find(owed.provider)
    if provider is None:
        log.warning("model_left_at_provider", model=owed.name, reason=f"no provider '{owed.provider}' is configured")
    else:
        try:
            await context.llm.delete_model(Target(provider, owed.name), TIMEOUT_SECONDS)
        except LlmError as error:
            if error.failure_class.retryable:
                log.warning("model_not_removed_yet", model=owed.name, error=error.message)
                return
            log.warning("model_left_at_provider", model=owed.name, reason=error.message)
    async with context.database.transaction() as session:
        await settle_removal(session, model_id)
    log.info("model_removed", model=owed.name)
