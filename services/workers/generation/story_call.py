"""One upstream call for one story: claimed, made, and what came back. Knows no database."""

import asyncio
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from services.workers.generation.call_slots import CallSlots
from services.workers.generation.run import Run
from services.workers.generation.run_gate import RunGate
from services.workers.leases.row_kind import Lease
from services.workers.process.metrics import UPSTREAM_CALLS, note_finish_reason
from shared.observability.logs import get_logger
from shared.outside.providers.border.answers import LlmAnswer
from shared.outside.providers.client import LlmClient
from shared.outside.providers.failures import FailureClass, LlmError

LARGE_REQUEST_CHARACTERS: Final = 256 * 1024
"""Reading more takes milliseconds, and tenths of a second at the most that a line may be."""
NO_FAULT_OF_THE_PROVIDERS: Final = frozenset({FailureClass.RULE_BROKEN, FailureClass.CANCELLED})
DID_NOT_LEAVE: Final = "the call did not leave: the row's lease was over"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoryCall:
    """A call that is on the books and may leave."""

    story_id: str
    number: int
    attempt_id: str
    prompt: str
    reserved_usd: Decimal | None
    repeat: int = 0
    was_cut: bool = False
    """An earlier text of the row was: this one may be longer, if the recipe says so."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """An answer with a story in it, or the reason why there is none (an answer may have been paid for even so)."""

    call: StoryCall
    answer: LlmAnswer | None
    error: LlmError | None
    excuse: str | None = None
    """How the books call a failure that is not the row's: of a provider under a verdict, or of a refused recipe."""


async def make_call(
    client: LlmClient, slots: CallSlots, gate: RunGate, run: Run, call: StoryCall, lease: Lease
) -> CallResult:
    """Ask the provider, unless the row may be another's since it was claimed under `lease` (this process was frozen).
    Never raises: a cancelled call is a result too, because it may have been paid for, and so is one that met a defect
    of ours, because a row without a result would be held for ever."""
    begun, begun_at = time.monotonic(), time.time()
    try:
        try:
            body = await build_request(run, call)
        except asyncio.CancelledError:
            return give_up_unbegun(gate, run, call)
        if lease.is_over:
            gate.give_up()
            return _count(run, CallResult(call, None, LlmError(FailureClass.UNREACHABLE, DID_NOT_LEAVE)))
        async with gate.health.follow("whole"):
            answer = await client.complete(run.target, run.kind, body)
        answered_after = time.monotonic() - begun
        gate.health.learn_limits(answer.headers)
        note_finish_reason(run.target.provider.name, answer.finish_reason)
        result = CallResult(call, answer, await examine(run, call, answer))
        gate.take_answer(find_fault(run, result.error), begun_at)
    except LlmError as error:
        _teach_slots(slots, error)
        result = CallResult(call, None, error, gate.take_failure(error, call.story_id, begun_at))
    except asyncio.CancelledError:
        given_up = LlmError(FailureClass.CANCELLED, "the worker gave the call up")
        result = CallResult(call, None, given_up, gate.take_failure(given_up, call.story_id, begun_at))
    except Exception as defect:
        log.exception("story_call_failed", story=call.story_id, attempt=call.attempt_id)
        ours = LlmError.of_defect(defect)
        result = CallResult(call, None, ours, gate.take_failure(ours, call.story_id, begun_at))
    else:
        slots.record_answer(answered_after)
    return _count(run, result)


def find_fault(run: Run, error: LlmError | None) -> LlmError | None:
    """Return why there is no story in an answer; None also where there is one that the recipe does not take."""
    if error is None or error.failure_class in NO_FAULT_OF_THE_PROVIDERS:
        return None
    is_asked_longer = run.raised_max_tokens is not None and error.failure_class is FailureClass.TRUNCATED
    return None if is_asked_longer else error


async def examine(run: Run, call: StoryCall, answer: LlmAnswer) -> LlmError | None:
    """Return why an answer is not taken. A worker that gives up meanwhile books what the answer cost; its row waits."""
    try:
        return await run.examine(answer, was_cut=call.was_cut)
    except asyncio.CancelledError:
        return LlmError(FailureClass.CANCELLED, "the worker gave the answer up", request_id=answer.request_id)


async def build_request(run: Run, call: StoryCall) -> dict[str, Any]:
    """Return what a call asks. A large request of a batch is read in a thread: many that begin together would keep the
    loop, one after the other, from the renewal of leases."""
    if len(call.prompt) < LARGE_REQUEST_CHARACTERS:
        return run.build_body(call.prompt, call.repeat, was_cut=call.was_cut)
    return await asyncio.to_thread(run.build_body, call.prompt, call.repeat, was_cut=call.was_cut)


def give_up_unbegun(gate: RunGate, run: Run, call: StoryCall) -> CallResult:
    """Return the result of a call that was cancelled before it left."""
    gate.give_up()
    unsent = LlmError(FailureClass.UNREACHABLE, "the worker gave the call up before it left")
    return _count(run, CallResult(call, None, unsent, excuse=FailureClass.CANCELLED.value))


def _count(run: Run, result: CallResult) -> CallResult:
    outcome = result.error.failure_class.value if result.error else "succeeded"
    UPSTREAM_CALLS.labels(run.target.provider.name, run.kind, outcome).inc()
    return result


def _teach_slots(slots: CallSlots, error: LlmError) -> None:
    if error.failure_class is FailureClass.RATE_LIMITED:
        slots.record_refusal(error.retry_after_seconds)
    elif error.failure_class is FailureClass.SERVER_ERROR:
        slots.record_fault()
