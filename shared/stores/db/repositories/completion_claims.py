"""Who works on an interactive completion: claimed by raising `attempt`, held by a lease, finished once.

Every write after the claim is guarded by the attempt, so a worker that lost the row writes nothing."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from shared.contracts.storable import encode_storable_json
from shared.stores.db.recordset import encode_rows
from shared.stores.db.repositories.attempts import SettledAttempt
from shared.stores.db.repositories.ledger import LedgerLine


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


# A lapsed lease is the reaper's to judge: after an outage those who live renew first. Only a cancel does not wait.
# `text_seq` falls to 0 with the new attempt while the old text stays: the new attempt's first frame rewinds it.
CLAIM: Final = text("""
    update completion
    set attempt = attempt + 1, status = 'running', worker_id = :worker_id, text_seq = 0,
        lease_until = now() + make_interval(secs => :lease_seconds), started_at = coalesce(started_at, now()),
        cancel_requested_at = case when :cancels then coalesce(cancel_requested_at, now())
                              else cancel_requested_at end
    where id = :id and (status = 'queued' or (:cancels and status = 'running' and lease_until < now()))
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

# What one statement writes it does not see: the entry takes its figures from what the settlement returns.
FINISH: Final = text("""
    with done as (
        update completion
        set status = :status, text = :text, text_seq = :text_seq, sha256 = :sha256, finish_reason = :finish_reason,
            upstream_model = :upstream_model, prompt_tokens = :prompt_tokens, completion_tokens = :completion_tokens,
            extra = cast(:extra as jsonb), told = cast(:told as jsonb),
            error = cast(:error as jsonb), finished_at = now(), lease_until = null
        where id = :id and attempt = :attempt and status in ('queued', 'running')
        returning id),
    claim as (
        select exists (select from done) or exists (
            select from completion
            where id = :id and attempt = :attempt and status in ('succeeded', 'failed', 'cancelled')) as is_ours),
    settled as (
        update attempt
        set outcome = case when rows.outcome = 'succeeded' and not claim.is_ours then 'superseded'
                           else rows.outcome end,
            spent_usd = rows.spent_usd, failure_class = rows.failure_class,
            upstream_request_id = rows.upstream_request_id, prompt_tokens = rows.prompt_tokens,
            completion_tokens = rows.completion_tokens, finished_at = now()
        from claim, json_to_recordset(cast(:calls as json)) as rows (
            id text, outcome text, spent_usd numeric, failure_class text, upstream_request_id text, prompt_tokens int,
            completion_tokens int)
        where attempt.id = rows.id
        returning attempt.*),
    booked as (
        insert into ledger_entry (id, project_id, api_key_id, attempt_id, generation_id, provider, model, prompt_tokens,
                                  completion_tokens, cost_usd, price_note)
        select rows.id, settled.project_id, rows.api_key_id, settled.id, settled.generation_id, settled.provider,
               settled.model, settled.prompt_tokens, settled.completion_tokens, settled.spent_usd, rows.price_note
        from json_to_recordset(cast(:lines as json)) as rows (
            id text, attempt_id text, api_key_id text, price_note text)
        join settled on settled.id = rows.attempt_id
        on conflict (attempt_id) do update
        set prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens,
            cost_usd = excluded.cost_usd, price_note = excluded.price_note)
    select is_ours from claim
""")

MARK_ENDS: Final = text("update completion set end_published = true where id = any(:ids)")

HAND_BACK: Final = text("""
    update completion
    set status = 'queued', worker_id = null, lease_until = now(), text = coalesce(rows.text, completion.text),
        text_seq = coalesce(rows.text_seq, completion.text_seq)
    from json_to_recordset(cast(:rows as json)) as rows (id text, attempt int, text text, text_seq bigint)
    where completion.id = rows.id and completion.attempt = rows.attempt and completion.status = 'running'
""")


async def claim_completion(
    session: AsyncSession, completion_id: str, worker_id: str, lease_seconds: float, *, cancels: bool = False
) -> ClaimedCompletion | None:
    """Take a queued row; None when it is held or over. With `cancels` it is taken in order to end it, also when its
    lease has lapsed."""
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


async def finish_completion(
    connection: AsyncConnection,
    completion_id: str,
    attempt: int,
    finished: FinishedText,
    settled: SettledAttempt | None,
    line: LedgerLine | None,
) -> bool:
    """Write the final state, the outcome of the last call and its ledger entry, in one statement; False when the row is
    not ours any more: then a call that has succeeded counts as superseded, and the books alone are kept.

    True also when this very attempt has finished it already: the answer to an earlier commit may have been lost."""
    values = {
        **asdict(finished),
        "extra": encode_optional(finished.extra),
        "told": encode_optional(finished.told),
        "error": encode_optional(finished.error),
        "id": completion_id,
        "attempt": attempt,
        "calls": encode_rows([settled] if settled else []),
        "lines": encode_rows([line] if line else []),
    }
    return bool((await connection.execute(FINISH, values)).scalar_one())


def encode_optional(value: dict[str, Any] | None) -> str | None:
    """Return a JSON column's value; nothing for nothing."""
    return encode_storable_json(value, option=orjson.OPT_NON_STR_KEYS).decode() if value else None


async def mark_ends_published(connection: AsyncConnection, completion_ids: Sequence[str]) -> None:
    """Record that the streams' end frames are out."""
    await connection.execute(MARK_ENDS, {"ids": list(completion_ids)})
