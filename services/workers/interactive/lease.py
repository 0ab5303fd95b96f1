"""How completions are held while their texts come: each renewal stores how far they are, and hears of cancels."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.interactive.finishing import settle_calls
from services.workers.interactive.running import HeldCompletion, StopReason
from services.workers.interactive.unforeseen import fail_somehow
from services.workers.leases.row_kind import Lease, RowKind
from services.workers.process.context import WorkerContext
from shared.contracts.queue.messages import RunCompletion
from shared.outside.providers.failures import FailureClass, LlmError
from shared.stores.db.repositories.completion_claims import hand_back_completions, renew_completions
from shared.stores.db.repositories.reaping import requeue_undelivered_completions


@dataclass(frozen=True, slots=True)
class Renewed:
    """What a renewal brought to one completion."""

    cancel_requested: bool
    chars: int
    """So much of the text is stored."""


class CompletionRows(RowKind[HeldCompletion, Renewed]):
    """Rows of `completion`: a renewal stores the text so far and hears of a cancel."""

    name: ClassVar[str] = "completion"

    def key(self, row: HeldCompletion) -> Hashable:
        return row.id, row.claimed.attempt

    async def renew(self, session: AsyncSession, rows: Sequence[HeldCompletion], lease: Lease) -> Mapping[Any, Renewed]:
        chars = {self.key(row): row.handle.chars for row in rows}
        checkpoints = [row.checkpoint(with_text=True) for row in rows]
        ours = await renew_completions(session, lease.worker_id, checkpoints, lease.seconds)
        advancing = [(row.id, row.claimed.attempt) for row in rows if row.is_advancing]
        ours = {**dict.fromkeys(advancing, False), **ours}
        return {key: Renewed(cancelled, chars[key]) for key, cancelled in ours.items() if key in chars}

    def hear(self, row: HeldCompletion, wanted: Renewed) -> None:
        row.checkpointed_chars = wanted.chars
        if wanted.cancel_requested:
            row.stop(StopReason.CANCELLED)

    async def hand_back(self, session: AsyncSession, rows: Sequence[HeldCompletion]) -> None:
        await hand_back_completions(session, [row.checkpoint(with_text=True) for row in rows])
        await settle_calls(session, [call for row in rows for call in row.calls])

    async def requeue(self, session: AsyncSession, lease_seconds: float) -> Sequence[RunCompletion]:
        return [RunCompletion(*found) for found in await requeue_undelivered_completions(session)]

    def name_row(self, row: HeldCompletion) -> str:
        return row.id

    def is_claimed_again(self, row: HeldCompletion) -> bool:
        return row.claimed.attempt > 1

    async def give_up(self, context: WorkerContext, row: HeldCompletion, reason: str) -> None:
        """Tell the client; the call that was booked with this claim has not left."""
        for call in row.calls:
            call.failure = LlmError(FailureClass.UNREACHABLE, "the call did not leave: the text was given up")
        error = LlmError(FailureClass.SERVER_ERROR, reason).client_error()
        await row.handle.begin("worker_lost")
        row.handle.write(row.claimed.text)
        await fail_somehow(context, row.handle, next(iter(row.calls), None), error)

    def message(self, row: HeldCompletion) -> RunCompletion:
        return RunCompletion(row.id, row.claimed.project_id)


COMPLETION_ROWS: Final = CompletionRows()
