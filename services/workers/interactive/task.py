"""The body of `storymill.interactive.run_completion`: claim → stream → commit → end, with retries in between."""

from functools import partial
from typing import Any

from services.workers.interactive.claiming import advance, claim, find_call
from services.workers.interactive.desk import InteractiveDesk
from services.workers.interactive.finishing import finish, settle_lost
from services.workers.interactive.lease import COMPLETION_ROWS
from services.workers.interactive.running import RunningCompletion, StopReason
from services.workers.interactive.token_reader import read_judged
from services.workers.interactive.unforeseen import end_unforeseen
from services.workers.interactive.unstarted import fail_unstarted, finish_without_call
from services.workers.leases.hold import Hold
from services.workers.leases.keeper import LeaseKeeper
from services.workers.leases.row_kind import LostRowError, begin_lease
from services.workers.leases.working import work_while_held
from services.workers.process.context import WorkerContext
from services.workers.providers.calls_under_way import LOST
from services.workers.providers.retry_plan import RetryPlan
from services.workers.providers.turns import wait_for_turn
from shared.contracts.text_orders import may_be_called_again
from shared.observability.logs import get_logger
from shared.outside.providers.failures import FailureClass, LlmError
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.completion_claims import ClaimedCompletion

log = get_logger(__name__)


async def run_completion(context: WorkerContext, completion_id: str) -> None:
    """Write one completion, unless somebody else holds it or it is over."""
    desk = await context.part(InteractiveDesk)
    lease = begin_lease(context)
    try:
        taken = await claim(context, completion_id, lease)
    except STORE_AWAY:
        raise
    except Exception as defect:  # the claim is rolled back: the row would be claimed, and meet it, for ever
        log.exception("call_not_planned", stream=completion_id)
        await fail_unstarted(context, completion_id, defect)
        return
    if taken is None:
        return
    claimed, call = taken
    if claimed.cancel_requested:
        await finish_without_call(context, claimed, lease, "cancelled")
        return
    try:
        call = call or await find_call(context, claimed)
    except STORE_AWAY:
        raise
    except Exception as defect:  # of ours: it would meet the next claim as well
        log.exception("call_not_planned", stream=claimed.id)
        await finish_without_call(context, claimed, lease, "failed", LlmError.of_defect(defect).client_error())
        return
    if call is None:
        await finish_without_call(context, claimed, lease, "failed", unknown_model_error(claimed))
    else:
        handle = context.stream_writer.open(claimed.id, claimed.attempt)
        running = RunningCompletion(claimed, handle, call, lease)
        work = partial(run_kept, context, desk, running)
        # One that is lost still settles its books: its reader is stopped, not its coroutine.
        lose = partial(running.stop, StopReason.LOST)
        await work_while_held(context, COMPLETION_ROWS, running, lease, work, on_lost=lose)


async def run_kept(context: WorkerContext, desk: InteractiveDesk, running: RunningCompletion, hold: Hold) -> None:
    """Call until there is a text, a failure that lasts, or a stop."""
    running.hold = hold
    desk.enter(running)
    try:
        await running.handle.begin("worker_lost")
        await stream_text(context, running)
    except STORE_AWAY:
        await running.handle.abandon()  # or its lease in Redis would be renewed for ever
        raise
    except LostRowError:
        raise
    except Exception as defect:
        await end_unforeseen(context, running, defect)
    finally:
        desk.leave(running)


async def stream_text(context: WorkerContext, running: RunningCompletion) -> None:
    """Make calls and finish the row by how the last one ended."""
    plan = RetryPlan(context.worker_settings.patience_seconds)
    keeper = await context.part(LeaseKeeper)
    health = await context.healths.find_for(running.call.target)
    running.handle.state("running")
    while True:
        refusal = await wait_for_turn(
            health, context.worker_settings.down_grace_seconds, plan.give_up_at, running.wait_unless_stopped
        )
        if refusal is not None:
            running.call.failure = refusal
            return await fail(context, running, refusal)
        excused = await read_judged(context, keeper, running, health)
        failure = running.call.failure
        if failure is None and running.stop_reason is None:
            return await finish(context, running.handle, "succeeded", call=running.call)
        if failure is not None and running.stop_reason is None:
            may_try = may_be_called_again(running.claimed.request, running.claimed.attempt)
            wait = None if not may_try else 0.0 if excused else plan.next_wait(failure)
            if wait is None:
                return await fail(context, running, failure)
            log.info("call_failed", stream=running.id, failure=str(failure.failure_class), wait_seconds=wait)
            await running.wait_unless_stopped(wait)
        if running.stop_reason is not None:
            return await finish_stopped(context, running)
        if not await go_on(context, running):
            return None


async def go_on(context: WorkerContext, running: RunningCompletion) -> bool:
    """Begin the row's next attempt after a failed call; False when the row is not ours any more."""
    failure = running.call.failure
    running.must_stream |= failure is not None and failure.is_of_silence and failure.code != LOST
    await running.handle.abandon()
    running.is_advancing = True
    try:
        advanced = await advance(context, running.call)
        if advanced is None:
            return False
        following, running.lease = advanced
        running.claimed, running.call = following.claimed, following
    finally:
        running.is_advancing = False
    if running.hold is not None:
        running.hold.note_renewed(running.lease.begun_at)
    running.checkpointed_chars = 0
    running.handle = context.stream_writer.open(running.id, following.claimed.attempt)
    await running.handle.begin(str(failure.failure_class) if failure else None)
    return True


async def fail(context: WorkerContext, running: RunningCompletion, failure: LlmError) -> None:
    """End the row as failed, with what came of its text."""
    await finish(context, running.handle, "failed", call=running.call, error=failure.client_error())


async def finish_stopped(context: WorkerContext, running: RunningCompletion) -> None:
    """End a call that was cut short: cancelled with its partial text, or lost, when only the books are kept."""
    if running.stop_reason is StopReason.LOST:
        await settle_lost(context, running.handle, running.call)
        return
    if running.call.failure is None:
        running.call.cancel()
    await finish(context, running.handle, "cancelled", call=running.call)


def unknown_model_error(claimed: ClaimedCompletion) -> dict[str, Any]:
    """Return the error of a model that no provider serves."""
    message = f"The model '{claimed.model}' does not exist."
    return LlmError(FailureClass.NOT_FOUND, message, code="model_not_found", param="model").client_error()
