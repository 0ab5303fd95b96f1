"""Completions that end without a call: cancelled before a worker had them, or of a model that nobody serves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.workers.interactive.call import Call
from services.workers.interactive.finishing import finish, finish_bare
from services.workers.interactive.lease import COMPLETION_ROWS
from services.workers.interactive.running import StopReason
from services.workers.leases.hold import Hold
from services.workers.leases.row_kind import Lease, LostRowError, begin_lease
from services.workers.leases.working import work_while_held
from services.workers.process.context import WorkerContext
from services.workers.streams.handle import StreamHandle
from shared.observability.logs import get_logger
from shared.outside.providers.failures import LlmError
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.completion_claims import Checkpoint, ClaimedCompletion, claim_completion

log = get_logger(__name__)


@dataclass(slots=True, eq=False)
class UnstartedCompletion:
    """A row that is ended as it is."""

    claimed: ClaimedCompletion
    handle: StreamHandle
    checkpointed_chars: int = 0
    is_advancing: bool = False

    @property
    def id(self) -> str:
        """The row's id, which is the stream's."""
        return self.claimed.id

    @property
    def calls(self) -> Sequence[Call]:
        """Of a text that was never begun there are none to be booked."""
        return ()

    def stop(self, reason: StopReason) -> None:
        """It is ended already."""

    def checkpoint(self, *, with_text: bool) -> Checkpoint:
        """Return the row's key: the text that earlier attempts left stays as it is."""
        return Checkpoint(self.id, self.claimed.attempt)


async def cancel_unstarted(context: WorkerContext, completion_id: str) -> None:
    """End a row that nobody holds as cancelled. Does nothing if it is held or over."""
    lease = begin_lease(context)
    async with context.database.transaction() as session:
        claimed = await claim_completion(session, completion_id, lease.worker_id, lease.seconds, cancels=True)
    if claimed is not None:
        await finish_without_call(context, claimed, lease, "cancelled")


async def fail_unstarted(context: WorkerContext, completion_id: str, defect: Exception) -> None:
    """End a row whose claim met a defect of ours: claimed once more, with no call planned or booked."""
    lease = begin_lease(context)
    async with context.database.transaction() as session:
        claimed = await claim_completion(session, completion_id, lease.worker_id, lease.seconds)
    if claimed is not None:
        await finish_without_call(context, claimed, lease, "failed", LlmError.of_defect(defect).client_error())


async def finish_without_call(
    context: WorkerContext,
    claimed: ClaimedCompletion,
    lease: Lease,
    status: str,
    error: dict[str, Any] | None = None,
) -> None:
    """End a claimed row with the text that earlier attempts left, which its viewers get once more."""
    handle = context.stream_writer.open(claimed.id, claimed.attempt)

    async def end(_hold: Hold) -> None:
        try:
            await handle.begin(status)
            handle.write(claimed.text)
            await finish(context, handle, status, call=None, error=error)
        except (LostRowError, *STORE_AWAY):
            raise
        except Exception as defect:
            log.exception("completion_end_failed", stream=claimed.id)
            await finish_bare(context, handle, error or LlmError.of_defect(defect).client_error())

    await work_while_held(context, COMPLETION_ROWS, UnstartedCompletion(claimed, handle), lease, end)
