"""Who works on an interactive completion: claimed by raising `attempt`, held by a lease, finished once.

Every write after the claim is guarded by the attempt, so a worker that lost the row writes nothing."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import func, null, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.statuses import COMPLETION
from shared.stores.db.models import Completion
from shared.stores.db.recordset import encode_rows


@dataclass(frozen=True, slots=True)
class ClaimedCompletion:
    """A row that is ours as `attempt`."""

    id: str
    project_id: str
    api_key_id: str
    kind: str
    model: str
    request: dict[str, Any]
    attempt: int
    text: str
    """What earlier attempts wrote, at their last checkpoint."""
    cancel_requested: bool

    @property
    def served_model(self) -> str:
        """The provider's name of the model; `model` is the name that the client asked for."""
        return str(self.request.get("model") or self.model)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a running text has come; no text if it has not changed since the last checkpoint."""

    id: str
    attempt: int
    text: str | None = None
    text_seq: int | None = None


@dataclass(frozen=True, slots=True)
class FinishedText:
    """The final state of a row."""

    status: str
    text: str
    text_seq: int
    sha256: str
    finish_reason: str | None = None
    upstream_model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    extra: dict[str, Any] | None = None
    told: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


# `text_seq` falls to 0 with the new attempt while the old text stays: the new attempt's first frame rewinds it.
CLAIM: Final = text("""
    update completion
    set attempt = attempt + 1, status = 'running', worker_id = :worker_id, text_seq = 0,
        lease_until = now() + make_interval(secs => :lease_seconds), started_at = coalesce(started_at, now()),
        cancel_requested_at = case when :cancels then coalesce(cancel_requested_at, now())
                              else cancel_requested_at end
    where id = :id and (status = 'queued' or (status = 'running' and lease_until < now()))
    returning id, project_id, api_key_id, kind, model, request, attempt, text, cancel_requested_at is not null
""")

# Only the row's owner may go on to a next attempt without a lapse of the lease. A row that the reaper queued, and
# nobody claimed, is still its last owner's.
ADVANCE: Final = text("""
    update completion
    set attempt = attempt + 1, status = 'running', worker_id = :worker_id, text_seq = 0,
        lease_until = now() + make_interval(secs => :lease_seconds)
    where id = :id and attempt = :attempt and status in ('queued', 'running')
    returning id, project_id, api_key_id, kind, model, request, attempt, text, cancel_requested_at is not null
""")

RENEW: Final = text("""
    update completion
    set lease_until = now() + make_interval(secs => :lease_seconds), status = 'running', worker_id = :worker_id,
        text = coalesce(rows.text, completion.text), text_seq = coalesce(rows.text_seq, completion.text_seq)
    from json_to_recordset(cast(:rows as json)) as rows (id text, attempt int, text text, text_seq bigint)
    where completion.id = rows.id and completion.attempt = rows.attempt
      and completion.status in ('queued', 'running')
    returning completion.id, completion.attempt, completion.cancel_requested_at is not null as cancel_requested
""")

HAND_BACK: Final = text("""
    update completion
    set lease_until = now(), text = coalesce(rows.text, completion.text),
        text_seq = coalesce(rows.text_seq, completion.text_seq)
    from json_to_recordset(cast(:rows as json)) as rows (id text, attempt int, text text, text_seq bigint)
    where completion.id = rows.id and completion.attempt = rows.attempt and completion.status = 'running'
""")


async def claim_completion(
    session: AsyncSession, completion_id: str, worker_id: str, lease_seconds: float, *, cancels: bool = False
) -> ClaimedCompletion | None:
    """Take a row that nobody holds; None when it is held or over. With `cancels` it is taken in order to end it."""
    values = {"id": completion_id, "worker_id": worker_id, "cancels": cancels, "lease_seconds": lease_seconds}
    row = (await session.execute(CLAIM, values)).one_or_none()
    return ClaimedCompletion(*row) if row else None


async def advance_attempt(
    session: AsyncSession, completion_id: str, attempt: int, worker_id: str, lease_seconds: float
) -> ClaimedCompletion | None:
    """Go on to the next attempt of a row that is ours as `attempt`; None when it is not ours any more."""
    values = {"id": completion_id, "attempt": attempt, "worker_id": worker_id, "lease_seconds": lease_seconds}
    row = (await session.execute(ADVANCE, values)).one_or_none()
    return ClaimedCompletion(*row) if row else None


async def renew_completions(
    session: AsyncSession, worker_id: str, checkpoints: Sequence[Checkpoint], lease_seconds: float
) -> dict[tuple[str, int], bool]:
    """Renew leases and store how far the texts have come, in one statement.

    Returns id and attempt of the rows that are still ours, each with whether a cancel was asked for; those missing are
    lost."""
    rows = encode_rows([asdict(checkpoint) for checkpoint in checkpoints])
    found = await session.execute(RENEW, {"worker_id": worker_id, "rows": rows, "lease_seconds": lease_seconds})
    return {(row.id, row.attempt): row.cancel_requested for row in found}


async def hand_back_completions(session: AsyncSession, checkpoints: Sequence[Checkpoint]) -> None:
    """End our leases now, so that another worker can claim the rows at once. The attempts stay."""
    await session.execute(HAND_BACK, {"rows": encode_rows([asdict(checkpoint) for checkpoint in checkpoints])})


async def finish_completion(session: AsyncSession, completion_id: str, attempt: int, finished: FinishedText) -> bool:
    """Write the final state; False when the row is not ours any more.

    True also when this very attempt has finished it already: the answer to an earlier commit may have been lost."""
    told = {name: getattr(finished, name) or null() for name in ("extra", "told", "error")}
    values = {**asdict(finished), **told}
    statement = (
        update(Completion)
        .where(
            Completion.id == completion_id,
            Completion.attempt == attempt,
            Completion.status.in_(COMPLETION.open),
        )
        .values(**values, finished_at=func.now(), lease_until=None)
        .returning(Completion.id)
    )
    if await session.scalar(statement) is not None:
        return True
    query = select(Completion.id).where(
        Completion.id == completion_id, Completion.attempt == attempt, Completion.status.in_(COMPLETION.final)
    )
    return await session.scalar(query) is not None


async def mark_end_published(session: AsyncSession, completion_id: str) -> None:
    """Record that the stream's end frame is out."""
    await session.execute(update(Completion).where(Completion.id == completion_id).values(end_published=True))
