"""The end of a completion that met a defect of ours: the client is told, the call is booked, nothing is paid again."""

from services.workers.interactive.finishing import finish
from services.workers.interactive.running import RunningCompletion
from services.workers.process.context import WorkerContext
from shared.observability.logs import get_logger
from shared.outside.providers.failures import LlmError
from shared.stores.away import STORE_AWAY

log = get_logger(__name__)


async def end_unforeseen(context: WorkerContext, running: RunningCompletion, defect: Exception) -> None:
    """End the row as failed, with the text that came, if it is still ours. What stands beside the text may be what
    cannot be written, so it is left out; if that is not enough, so is the usage.

    Raises: store errors, when a store is away; the lease lapses then, and the row is claimed again."""
    log.error("completion_failed_unforeseen", stream=running.id, exc_info=defect)
    call, failure = running.call, LlmError.of_defect(defect)
    call.extra, call.extra_at, call.model, call.finish_reason = [], [], None, None
    call.failure = call.failure or failure
    error = failure.client_error()
    try:
        await finish(context, running.handle, "failed", call=call, error=error)
    except STORE_AWAY:
        await running.handle.abandon()
        raise
    except Exception as second_defect:
        log.error("completion_end_failed", stream=running.id, exc_info=second_defect)
        call.usage = None
        await finish(context, running.handle, "failed", call=call, error=error)
