"""Tokens from the provider into the stream."""

import asyncio
import time
from typing import Final

from services.workers.interactive.call import count_prompt_bytes
from services.workers.interactive.desk import note_progress
from services.workers.interactive.result_reader import read_whole_result
from services.workers.interactive.running import RunningCompletion, StopReason
from services.workers.leases.keeper import LeaseKeeper
from services.workers.leases.row_kind import LostRowError
from services.workers.process.context import WorkerContext
from services.workers.process.metrics import FIRST_TOKEN_SECONDS, UPSTREAM_CALLS, note_finish_reason
from services.workers.providers.charged_call import ChargedCall
from services.workers.providers.model_health import ModelHealth
from shared.contracts.result_requests import is_result
from shared.contracts.text_orders import strip_orders
from shared.observability.logs import get_logger
from shared.outside.providers.border.answers import Kind, LlmDelta
from shared.outside.providers.client import is_streamed
from shared.outside.providers.failures import FailureClass, LlmError

LONGEST_TOKEN_BYTES: Final = 64
BYTES_PER_TOKEN: Final = 3
"""On the safe side: an English token has about four, a Chinese one three to six."""
DID_NOT_LEAVE: Final = "the call did not leave: the row was not surely ours"

log = get_logger(__name__)


async def read_judged(
    context: WorkerContext, keeper: LeaseKeeper, running: RunningCompletion, health: ModelHealth
) -> bool:
    """Read as `read_upstream`, and let the provider be judged by what came. Return whether the provider is to blame for
    a failure that time cures: it costs no try."""
    begun_at = time.time()
    try:
        await read_upstream(context, keeper, running, health, begun_at)
        failure = running.call.failure
        if failure is None or running.stop_reason is not None or failure.message == DID_NOT_LEAVE:
            return False
        excuse = health.hear(failure, running.id, begun_at)
        return excuse is not None and failure.failure_class.retryable
    finally:
        if begun_at >= health.standing.since:
            health.give_up_probe()


async def read_upstream(
    context: WorkerContext, keeper: LeaseKeeper, running: RunningCompletion, health: ModelHealth, begun_at: float
) -> None:
    """Make the call and write its tokens until it ends, fails (`running.call.failure`, whatever it met) or is stopped.

    Raises: asyncio.CancelledError when the job itself is cancelled, not when `running.stop` was called.
    The provider is said to be well at the first token."""
    call = running.call
    call.failure = LlmError(FailureClass.UNREACHABLE, DID_NOT_LEAVE)
    if running.stop_reason is not None:
        return
    running.reader = asyncio.create_task(_read(context, keeper, running, health, begun_at), name=f"read-{running.id}")
    try:
        await running.reader
    except LlmError as error:
        call.failure = error
    except LostRowError:
        running.stop(StopReason.LOST)
    except Exception as defect:
        log.exception("completion_call_failed", stream=running.id, attempt=running.claimed.attempt)
        call.failure = LlmError.of_defect(defect)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
    finally:
        running.reader = None
        outcome = call.failure.failure_class if call.failure else "succeeded" if call.finish_reason else "stopped"
        UPSTREAM_CALLS.labels(call.target.provider.name, running.claimed.kind, str(outcome)).inc()
        note_finish_reason(call.target.provider.name, call.finish_reason)


async def _read(
    context: WorkerContext, keeper: LeaseKeeper, running: RunningCompletion, health: ModelHealth, begun_at: float
) -> None:
    """Wait until the row is surely ours, then call. Until then its failure says that it did not leave: it is free,
    however the waiting ends."""
    await running.confirm()
    call = running.call
    call.failure = None
    request = running.claimed.request
    charged = ChargedCall(context.rate_limits, call.target, lambda: count_prompt_bytes(request))
    await charged.leave()
    try:
        if is_result(running.claimed.kind):
            await read_whole_result(context, running, health, begun_at)
        else:
            await _read_text(context, keeper, running, health, begun_at)
    finally:
        await charged.settle(call.usage.prompt_tokens + call.usage.completion_tokens if call.usage else 0)


async def _read_text(
    context: WorkerContext, keeper: LeaseKeeper, running: RunningCompletion, health: ModelHealth, begun_at: float
) -> None:
    """Write the provider's tokens as they come."""
    call, begun = running.call, time.monotonic()
    kind: Kind = "chat" if running.claimed.kind == "chat" else "completion"
    grace_seconds = context.worker_settings.down_grace_seconds
    body = strip_orders(running.claimed.request, must_stream=running.must_stream)
    way = "streamed" if is_streamed(call.target.provider, body) else "whole"
    async with (
        health.follow(way, grace_seconds) as under_way,
        context.llm.stream(call.target, kind, body) as stream,
    ):
        call.request_id = stream.request_id
        health.learn_limits(stream.headers)
        try:
            async for delta in stream:
                if call.deltas == 0:
                    under_way.note_answer()
                    health.hear(None, running.id, begun_at)
                    FIRST_TOKEN_SECONDS.labels(call.target.provider.name).observe(time.monotonic() - begun)
                write_delta(running, delta)
                note_progress(keeper, running)
        finally:
            call.finish_reason, call.usage, call.model = stream.finish_reason, stream.usage, stream.model
            call.told = stream.told


def guess_tokens(delta: LlmDelta) -> int:
    """Return how many tokens a piece has: usually it is one; where a whole text comes at once, a part of its bytes."""
    texts = (delta.text, *(value for value in (delta.extra or {}).values() if isinstance(value, str)))
    size = sum(len(text.encode()) for text in texts)
    return bool(delta.text or delta.extra) if size <= LONGEST_TOKEN_BYTES else -(-size // BYTES_PER_TOKEN)


def write_delta(running: RunningCompletion, delta: LlmDelta) -> None:
    """Hand a chunk to the stream; the border has made it storable, so that stream and row agree. What stands beside its
    text comes first: reasoning is before the answer that it led to, log probabilities are those of the text behind."""
    running.call.deltas += bool(delta.text or delta.extra)
    running.call.tokens_seen += guess_tokens(delta)
    if delta.extra:
        running.call.extra.append(delta.extra)
        running.call.extra_at.append(running.handle.chars)
        running.handle.write_extra(delta.extra)
    if delta.text:
        running.handle.write(delta.text)
