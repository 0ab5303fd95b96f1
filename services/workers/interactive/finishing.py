"""The end of a completion: one transaction with text, state and books; then the stream's end frame."""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.interactive.call import Call
from services.workers.interactive.end_marks import EndMarks
from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import keep_trying
from services.workers.streams.handle import StreamHandle
from shared.contracts.kept_errors import show_error
from shared.contracts.stream.errors import StreamFencedError, StreamUnavailableError
from shared.contracts.stream.frames import End
from shared.observability.logs import get_logger
from shared.stores.db.repositories.attempts import settle_attempts
from shared.stores.db.repositories.completion_claims import FinishedText, finish_completion
from shared.stores.db.repositories.completions import told_of, usage_of
from shared.stores.db.repositories.ledger import book_attempts

log = get_logger(__name__)


async def finish(
    context: WorkerContext, handle: StreamHandle, status: str, *, call: Call | None, error: dict[str, Any] | None = None
) -> None:
    """Commit the text of `handle` as the row's final state, then end its stream. When the row is not ours any more
    only the books are kept, and nothing is published."""
    handle.state("finalizing")
    finished = build_finished(handle, status, call, error)
    if not await commit_finished(context, handle, finished, call):
        log.info("completion_lost", stream=handle.stream_id, attempt=handle.attempt)
        await handle.abandon()
        return
    try:
        await handle.end(build_end(handle, finished))
    except (StreamFencedError, StreamUnavailableError) as failure:
        log.warning("end_left_to_the_reaper", stream=handle.stream_id, error=str(failure))
        return
    (await context.part(EndMarks)).add(handle.stream_id)


async def finish_bare(context: WorkerContext, handle: StreamHandle, error: dict[str, Any]) -> None:
    """Commit that the row failed, and nothing else. The reaper books its call as unknown and publishes the end."""
    finished = FinishedText("failed", "", 0, hashlib.sha256(b"").hexdigest(), error=error)
    try:
        await commit_finished(context, handle, finished, None)
    finally:
        await handle.abandon()


async def settle_lost(context: WorkerContext, handle: StreamHandle, call: Call) -> None:
    """Keep the books of a call whose row is another's, or may be: the row stays as it is, and nothing is published."""

    async def commit() -> None:
        async with context.database.transaction() as session:
            await settle_calls(session, [call], superseded=True)

    await keep_trying(commit, what="settle a lost call")
    log.info("completion_lost", stream=handle.stream_id, attempt=handle.attempt)
    await handle.abandon()


def build_finished(handle: StreamHandle, status: str, call: Call | None, error: dict[str, Any] | None) -> FinishedText:
    """Return the row's final state from what the stream holds: text and stream cannot differ."""
    usage = call.usage if call else None
    extra = {"deltas": call.extra, "at": call.extra_at} if call and call.extra else None
    if call is not None and call.result is not None:
        extra = {"result": call.result}
    return FinishedText(
        status=status,
        text=handle.text,
        text_seq=handle.cursor.seq,
        sha256=hashlib.sha256(handle.text.encode()).hexdigest(),
        finish_reason=call.finish_reason if call else None,
        upstream_model=call.model if call and call.model else None,
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
        extra=extra,
        told=describe_told(call),
        error=error,
    )


def describe_told(call: Call | None) -> dict[str, Any] | None:
    """Return what the provider said beside its choice, as the row keeps it."""
    if call is None:
        return None
    details = {"usage": call.usage.details} if call.usage and call.usage.details else {}
    return {**call.told, **details} or None


async def commit_finished(
    context: WorkerContext, handle: StreamHandle, finished: FinishedText, call: Call | None
) -> bool:
    """Write the final state and the books in one statement, waiting for Postgres if it is away: the text is in this
    process only. False when the row is not ours any more."""
    settled, line = call.settle() if call is not None else (None, None)

    async def commit() -> bool:
        async with context.database.statement() as connection:
            return await finish_completion(connection, handle.stream_id, handle.attempt, finished, settled, line)

    return await keep_trying(commit, what="finish_completion")


async def settle_calls(session: AsyncSession, calls: Sequence[Call], *, superseded: bool = False) -> None:
    """Write the outcomes of calls and their ledger entries."""
    settled = [call.settle(superseded=superseded) for call in calls]
    await settle_attempts(session, [attempt for attempt, _ in settled])
    await book_attempts(session, [line for _, line in settled if line is not None])


def build_end(handle: StreamHandle, finished: FinishedText) -> End:
    """Return the end frame of a committed row."""
    return End(
        handle.stream_id,
        handle.end_cursor,
        finished.status,
        handle.chars,
        finished.sha256,
        usage_of(finished),
        finished.finish_reason,
        show_error(finished.error),
        told_of(finished),
    )
