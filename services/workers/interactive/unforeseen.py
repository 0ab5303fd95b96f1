"""The end of a completion that met a defect of ours: the client is told, the call is booked, nothing is paid again."""

from typing import Any

from services.workers.interactive.call import Call
from services.workers.interactive.finishing import finish, finish_bare
from services.workers.interactive.running import RunningCompletion
from services.workers.process.context import WorkerContext
from services.workers.streams.handle import StreamHandle
from shared.observability.logs import get_logger
from shared.outside.providers.failures import LlmError
from shared.stores.away import STORE_AWAY

log = get_logger(__name__)


async def end_unforeseen(context: WorkerContext, running: RunningCompletion, defect: Exception) -> None:
    """End the row as failed, with the text that came, if it is still ours.

    Raises: store errors, when a store is away; the lease lapses then, and the row is claimed again."""
    log.error("completion_failed_unforeseen", stream=running.id, exc_info=defect)
    call, failure = running.call, LlmError.of_defect(defect)
    call.extra, call.model, call.finish_reason = [], None, None
    call.failure = call.failure or failure
    await fail_somehow(context, running.handle, call, failure.client_error())


async def fail_somehow(context: WorkerContext, handle: StreamHandle, call: Call | None, error: dict[str, Any]) -> None:
    """End a row as failed. What stands beside the text may be what cannot be written: if the end fails it is made
    without the usage, and if that is not enough, without anything but the error.

    Raises: store errors, when a store is away; whatever even the barest end meets."""
    try:
        await finish(context, handle, "failed", call=call, error=error)
        return
    except STORE_AWAY:
        await handle.abandon()
        raise
    except Exception:
        log.exception("completion_end_failed", stream=handle.stream_id)
    if call is not None:
        call.usage = None
    try:
        await finish(context, handle, "failed", call=call, error=error)
    except STORE_AWAY:
        await handle.abandon()
        raise
    except Exception:
        log.exception("completion_end_failed", stream=handle.stream_id)
        await finish_bare(context, handle, error)
