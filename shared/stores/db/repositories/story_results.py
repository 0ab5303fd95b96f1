"""What became of claimed stories. Written under locks on attempt and story, so that of two workers with an answer
for one row the first wins and the second learns it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.statuses import ATTEMPT_UNANSWERED
from shared.stores.db.recordset import encode_rows
from shared.stores.db.repositories.attempts import Outcome
from shared.stores.db.repositories.generation_progress import Progress


@dataclass(frozen=True, slots=True)
class LockedAttempt:
    """A call and its row as they stand now; nobody else changes them before the commit."""

    id: str
    outcome: str
    reserved_usd: Decimal | None
    spent_usd: Decimal | None
    story_id: str
    story_status: str
    story_attempt: int

    @property
    def is_settled(self) -> bool:
        """Whether its outcome is on the books already (an earlier commit whose answer was lost)."""
        return self.outcome not in ATTEMPT_UNANSWERED


@dataclass(slots=True)
class SettledCall:
    """What is written of one call: its outcome, the state of its row if that changes, its ledger entry if it may
    have cost something."""

    attempt_id: str
    story_id: str
    outcome: Outcome
    spent_usd: Decimal | None
    failure_class: str | None = None
    upstream_request_id: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    ledger_id: str | None = None
    rejected_text: str | None = None
    rejected_because: str | None = None
    story_status: Literal["succeeded", "failed", "rejected", "queued"] | None = None
    """None: the row stays as it is."""
    text: str | None = None
    sha256: str | None = None
    finish_reason: str | None = None
    model: str | None = None
    failure_message: str | None = None
    note: str = ""
    """Behind the price's note in the books: how the cost was found, where nobody counted."""
    answer: dict[str, Any] | None = None
    """Of a batch's line: what its output needs beside the columns."""
    wait_seconds: float | None = None
    """A row queued again is not claimed before so much time has passed."""


@dataclass(frozen=True, slots=True)
class Payer:
    """What the ledger entries of one batch share."""

    project_id: str
    api_key_id: str
    generation_id: str
    provider: str
    called_model: str
    price_note: str


@dataclass(frozen=True, slots=True)
class UnsendableStory:
    """A row whose prompt cannot be made."""

    id: str
    failure_class: str
    failure_message: str


LOCK_ATTEMPTS: Final = text("""
    select attempt.id, attempt.outcome, attempt.reserved_usd, attempt.spent_usd, story.id, story.status, story.attempt
    from attempt join story on story.id = attempt.subject_id
    where attempt.id = any(:attempt_ids)
    order by story.id, attempt.id
    for update
""")

SETTLE: Final = text("""
    with rows as materialized (
        select * from json_to_recordset(cast(:rows as json)) as rows (
            attempt_id text, story_id text, outcome text, spent_usd numeric, failure_class text,
            upstream_request_id text, prompt_tokens int, completion_tokens int, ledger_id text, story_status text,
            text text, sha256 text, finish_reason text, model text, failure_message text, note text,
            wait_seconds float8, answer jsonb, rejected_text text, rejected_because text)),
    written as (
        update story
        set status = rows.story_status, text = rows.text, sha256 = rows.sha256, finish_reason = rows.finish_reason,
            model = rows.model, failure_message = rows.failure_message, answer = rows.answer,
            prompt_tokens = case when rows.story_status = 'succeeded' then rows.prompt_tokens end,
            completion_tokens = case when rows.story_status = 'succeeded' then rows.completion_tokens end,
            cost_usd = case when rows.story_status = 'succeeded' then rows.spent_usd end,
            failure_class = case
                when rows.story_status = 'failed' or rows.story_status = 'rejected' then rows.failure_class end,
            worker_id = null, lease_until = null, not_before = now() + make_interval(secs => rows.wait_seconds),
            finished_at = case when rows.story_status <> 'queued' then now() end
        from rows where story.id = rows.story_id and rows.story_status is not null),
    settled as (
        update attempt
        set outcome = rows.outcome, spent_usd = rows.spent_usd, failure_class = rows.failure_class,
            upstream_request_id = rows.upstream_request_id, prompt_tokens = rows.prompt_tokens,
            completion_tokens = rows.completion_tokens, rejected_text = rows.rejected_text,
            rejected_because = rows.rejected_because, finished_at = now()
        from rows where attempt.id = rows.attempt_id),
    booked as (
        insert into ledger_entry (id, project_id, api_key_id, attempt_id, generation_id, provider, model,
                                  prompt_tokens, completion_tokens, cost_usd, price_note)
        select ledger_id, :project_id, :api_key_id, attempt_id, :generation_id, :provider, :called_model,
               prompt_tokens, completion_tokens, spent_usd, :price_note || note
        from rows where ledger_id is not null
        on conflict (attempt_id) do update
        set prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens,
            cost_usd = excluded.cost_usd, price_note = excluded.price_note)
    update generation
    set running = running + :running, succeeded = succeeded + :succeeded, failed = failed + :failed,
        rejected = rejected + :rejected, prompt_tokens = prompt_tokens + :prompt_tokens,
        completion_tokens = completion_tokens + :completion_tokens,
        reserved_usd = reserved_usd + :reserved_usd, spent_usd = spent_usd + :spent_usd,
        cost_known = cost_known and :cost_known
    where id = :generation_id
""")
"""Four tables in one statement: on the hot path each statement more costs a fifth of the transaction. A call that was
booked as unknown, and whose answer came after all, is corrected: it keeps one entry."""

FAIL_UNSENT: Final = text("""
    with rows as (
        select * from json_to_recordset(cast(:rows as json)) as rows (
            id text, failure_class text, failure_message text)),
    admitted as (
        update generation
        set failed = failed + (select count(*) from rows), status = 'running', started_at = coalesce(started_at, now())
        where id = :generation_id and status in ('queued', 'running')
        returning 1),
    failed as (
        update story
        set status = 'failed', failure_class = rows.failure_class, failure_message = rows.failure_message,
            finished_at = now()
        from rows, admitted where story.id = rows.id)
    select count(*) from admitted
""")

FAIL_UNSETTLED: Final = text("""
    with failed as (
        update story
        set status = 'failed', failure_class = :failure_class, failure_message = :failure_message,
            worker_id = null, lease_until = null, finished_at = now()
        where id = :id and attempt = :attempt and status = 'running'
        returning generation_id)
    update generation set running = running - 1, failed = failed + 1
    from failed where generation.id = failed.generation_id
""")


async def lock_attempts(session: AsyncSession, attempt_ids: Sequence[str]) -> dict[str, LockedAttempt]:
    """Lock calls and their rows (always in the same order: no deadlocks) and return how they stand."""
    found = await session.execute(LOCK_ATTEMPTS, {"attempt_ids": list(attempt_ids)})
    return {row[0]: LockedAttempt(*row) for row in found}


async def settle_calls(session: AsyncSession, payer: Payer, calls: Sequence[SettledCall], progress: Progress) -> None:
    """Write locked calls, their rows, the books and the run's counters."""
    values = {**asdict(payer), **asdict(progress), "rows": encode_rows(calls)}
    await session.execute(SETTLE, values)


async def fail_unsent_stories(session: AsyncSession, generation_id: str, failures: Sequence[UnsendableStory]) -> bool:
    """Fail locked rows for which no call can be made, and count them. False, with nothing written, when the run is
    paused or over."""
    if not failures:
        return True
    values = {"generation_id": generation_id, "rows": encode_rows(failures)}
    return bool((await session.execute(FAIL_UNSENT, values)).scalar_one())


async def fail_unsettled_story(
    session: AsyncSession, story_id: str, attempt: int, *, failure_class: str, failure_message: str
) -> None:
    """Fail a row that is ours, and nothing else: its call stays without an outcome, to be settled as unknown."""
    values = {
        "id": story_id,
        "attempt": attempt,
        "failure_class": failure_class,
        "failure_message": failure_message,
    }
    await session.execute(FAIL_UNSETTLED, values)
