"""Upstream calls: written before they leave, settled with their outcome. For interactive and volume workers alike."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.recordset import encode_rows

Outcome = Literal["succeeded", "failed", "superseded", "unknown"]


@dataclass(frozen=True, slots=True)
class Caller:
    """What the attempts of one batch share."""

    project_id: str
    generation_id: str | None
    worker_id: str
    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """A call that is about to leave."""

    id: str
    subject_id: str
    number: int
    """The claim (`story.attempt`, `completion.attempt`) that makes the call."""
    reserved_usd: Decimal | None
    """The most that it can cost; None when no price is known."""


@dataclass(frozen=True, slots=True)
class SettledAttempt:
    """A call whose outcome is known, or known to stay unknown."""

    id: str
    outcome: Outcome
    spent_usd: Decimal | None
    failure_class: str | None = None
    upstream_request_id: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


INSERT_ATTEMPTS: Final = text("""
    insert into attempt (id, project_id, subject_id, generation_id, number, worker_id, provider, model, reserved_usd,
                         outcome)
    select id, :project_id, subject_id, :generation_id, number, :worker_id, :provider, :model, reserved_usd, 'sent'
    from json_to_recordset(cast(:rows as json)) as rows (id text, subject_id text, number int, reserved_usd numeric)
    on conflict do nothing
""")

SETTLE_ATTEMPTS: Final = text("""
    update attempt
    set outcome = rows.outcome, spent_usd = rows.spent_usd, failure_class = rows.failure_class,
        upstream_request_id = rows.upstream_request_id, prompt_tokens = rows.prompt_tokens,
        completion_tokens = rows.completion_tokens, finished_at = now()
    from json_to_recordset(cast(:rows as json)) as rows (
        id text, outcome text, spent_usd numeric, failure_class text, upstream_request_id text, prompt_tokens int,
        completion_tokens int)
    where attempt.id = rows.id
""")


async def add_attempts(session: AsyncSession, caller: Caller, attempts: Sequence[NewAttempt]) -> None:
    """Insert calls as `sent`. Commit before they leave: then no call is off the books, whatever happens.
    Doing it again changes nothing."""
    rows = encode_rows(attempts)
    await session.execute(INSERT_ATTEMPTS, {**asdict(caller), "rows": rows})


async def settle_attempts(session: AsyncSession, settled: Sequence[SettledAttempt]) -> None:
    """Write outcomes. Whoever calls this also books the ledger entries, in the same transaction."""
    if settled:
        await session.execute(SETTLE_ATTEMPTS, {"rows": encode_rows(settled)})


async def count_failures(session: AsyncSession, subject_ids: Sequence[str]) -> dict[tuple[str, str], int]:
    """Return how many calls failed so far, or since a client had the row retried, by subject and failure class."""
    statement = text("""
        select attempt.subject_id, attempt.failure_class, count(*)
        from attempt left join story on story.id = attempt.subject_id
        where attempt.subject_id = any(:subject_ids) and attempt.outcome = 'failed'
          and attempt.failure_class is not null
          and (story.retried_at is null or attempt.started_at >= story.retried_at)
        group by attempt.subject_id, attempt.failure_class
    """)
    found = await session.execute(statement, {"subject_ids": list(subject_ids)})
    return {(subject_id, failure_class): count for subject_id, failure_class, count in found}


async def find_cut(session: AsyncSession, subject_ids: Sequence[str]) -> set[str]:
    """Return the subjects of which a text was cut. Also of a call whose worker had lost the row: it was paid for."""
    statement = text("""
        select distinct subject_id from attempt where subject_id = any(:subject_ids) and failure_class = 'truncated'
    """)
    return set(await session.scalars(statement, {"subject_ids": list(subject_ids)}))


async def find_newest_number(session: AsyncSession, subject_id: str) -> int:
    """Return the number of a subject's newest call, 0 when there is none."""
    statement = text("select coalesce(max(number), 0) from attempt where subject_id = :subject_id")
    return int(await session.scalar(statement, {"subject_id": subject_id}) or 0)


async def list_unsettled(session: AsyncSession, subject_id: str) -> list[tuple[str, Decimal | None]]:
    """Return a subject's calls without outcome, each with what was reserved for it."""
    statement = text("select id, reserved_usd from attempt where subject_id = :subject_id and outcome = 'sent'")
    return [(row[0], row[1]) for row in await session.execute(statement, {"subject_id": subject_id})]
