"""Completions that end without a call: cancelled before a worker had them, or of a model that nobody serves."""

from typing import Any

from services.workers.interactive.finishing import finish
from services.workers.leases.row_kind import begin_lease
from services.workers.process.context import WorkerContext
from shared.stores.db.repositories.completion_claims import ClaimedCompletion, claim_completion


async def cancel_unstarted(context: WorkerContext, completion_id: str) -> None:
    """End a row that nobody holds as cancelled. Does nothing if it is held or over."""
    lease = begin_lease(context)
    async with context.database.transaction() as session:
        claimed = await claim_completion(session, completion_id, lease.worker_id, lease.seconds, cancels=True)
    if claimed is not None:
        await finish_without_call(context, claimed, "cancelled")


async def finish_without_call(
    context: WorkerContext, claimed: ClaimedCompletion, status: str, error: dict[str, Any] | None = None
) -> None:
    """End a claimed row with the text that earlier attempts left, which its viewers get once more."""
    handle = context.stream_writer.open(claimed.id, claimed.attempt)
    await handle.begin(status)
    handle.write(claimed.text)
    await finish(context, handle, status, call=None, error=error)
