"""The body of `RemoveModel`: a model that is deleted here is deleted at its provider too."""

from typing import Final

from services.workers.leases.hold import Hold
from services.workers.leases.row_kind import begin_lease
from services.workers.leases.working import work_while_held
from services.workers.models.lease import REMOVAL_ROWS, end_removal
from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import write_patiently
from shared.observability.logs import get_logger
from shared.outside.providers.configuration import Target
from shared.outside.providers.failures import LlmError
from shared.stores.db.repositories.removal_claims import (
    RETRY_SECONDS,
    ClaimedRemoval,
    claim_removal,
    put_off_removals,
)

TIMEOUT_SECONDS: Final = 30.0

log = get_logger(__name__)


async def remove_model(context: WorkerContext, model_id: str) -> None:
    """Ask the provider once; a failure that may pass is tried again a minute later, any other is left with a line in
    the log: the model stays hidden here all the same."""
    lease = begin_lease(context)
    async with context.database.transaction() as session:
        owed = await claim_removal(session, model_id, lease.seconds)
    if owed is not None:
        await work_while_held(context, REMOVAL_ROWS, owed, lease, lambda hold: remove(context, owed, hold))


async def remove(context: WorkerContext, owed: ClaimedRemoval, hold: Hold) -> None:
    """Ask the provider, and write what came of it. Raises: LostRowError when the row is lost before the call."""
    provider = context.providers.find(owed.provider)
    if provider is None:
        log.warning("model_left_at_provider", model=owed.name, reason=f"no provider '{owed.provider}' is configured")
    else:
        await hold.confirm()
        try:
            await context.llm.delete_model(Target(provider, owed.name), TIMEOUT_SECONDS)
        except LlmError as error:
            if error.failure_class.retryable:
                log.warning("model_not_removed_yet", model=owed.name, error=error.message)
                await write_patiently(
                    context.database, lambda session: put_off_removals(session, [owed], RETRY_SECONDS), what="removal"
                )
                return
            log.warning("model_left_at_provider", model=owed.name, reason=error.message)
    await end_removal(context, owed)
    log.info("model_removed", model=owed.name)
