"""How a worker comes to own stories of a generation, and keeps them: rows locked, attempt raised, lease set.

A claim is two statements in one transaction, because what a row may cost is known only when its prompt is rendered:
`lock_queued_stories`, then `claim_stories` for those that the budget allows. Rows not taken are free again at commit.
The second writes three tables at once: on the hot path each statement more costs a fifth of the claim."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.recordset import encode_rows
from shared.stores.db.repositories.attempts import Caller
from shared.stores.db.repositories.pilots import POSITIONS


@dataclass(frozen=True, slots=True)
class QueuedStory:
    """A row that is locked, but not yet owned."""

    id: str
    attempt: int
    """The last claim; this one will be one higher."""
    attributes: dict[str, Any]
    repeat: int = 0
    was_cut: bool = False
    """An earlier text of it was; asked only for runs that then ask for longer ones."""


@dataclass(frozen=True, slots=True)
class TakenStory:
    """A row and the attempt by which a worker owns it."""

    id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class StoryCallRow:
    """A locked row to take, and the upstream call that will be made for it."""

    story_id: str
    number: int
    """The attempt by which the row is taken."""
    attempt_id: str
    reserved_usd: Decimal | None
    """The most that the call can cost; None when no price is known."""


LOCK_QUEUED: Final = text("""
    select id, attempt, attributes, repeat from story
    where generation_id = :generation_id and status = 'queued' and (not_before is null or not_before <= now())
    order by position
    limit :row_limit
    for update skip locked
""")

LOCK_PILOT: Final = text(f"""
    select id, attempt, attributes, repeat from story
    where generation_id = :generation_id and status = 'queued' and (not_before is null or not_before <= now())
      and position = any(array({POSITIONS}))
    order by position
    limit :row_limit
    for update skip locked
""")  # noqa: S608  the only thing put in is a constant of ours

NEXT_DUE: Final = """
    select greatest(0, extract(epoch from min(coalesce(not_before, now())) - now()))::float8 from story
    where generation_id = :generation_id and status = 'queued'
"""
NEXT_DUE_OF_RUN: Final = text(f"{NEXT_DUE} having count(*) > 0")
NEXT_DUE_OF_PILOT: Final = text(f"{NEXT_DUE} and position = any(array({POSITIONS})) having count(*) > 0")

TAKE: Final = text("""
    with rows as materialized (
        select * from json_to_recordset(cast(:rows as json)) as rows (
            story_id text, number int, attempt_id text, reserved_usd numeric)),
    admitted as (
        update generation
        set running = running + :row_count, reserved_usd = generation.reserved_usd + :reserved_usd,
            status = 'running', started_at = coalesce(started_at, now()), delivered_at = now()
        where id = :generation_id and status in ('queued', 'running')
          and (budget_usd is null or spent_usd + generation.reserved_usd + :reserved_usd <= budget_usd)
        returning 1),
    taken as (
        update story
        set status = 'running', attempt = rows.number, worker_id = :worker_id, not_before = null,
            lease_until = now() + make_interval(secs => :lease_seconds)
        from rows, admitted where story.id = rows.story_id),
    sent as (
        insert into attempt (id, project_id, subject_id, generation_id, number, worker_id, provider, model,
                             reserved_usd, outcome)
        select attempt_id, :project_id, story_id, :generation_id, number, :worker_id, :provider, :model,
               reserved_usd, 'sent'
        from rows, admitted)
    select count(*) from admitted
""")

RENEW: Final = text("""
    update story set lease_until = now() + make_interval(secs => :lease_seconds)
    from json_to_recordset(cast(:rows as json)) as rows (id text, attempt int)
    where story.id = rows.id and story.attempt = rows.attempt and story.status = 'running'
""")


async def lock_queued_stories(
    session: AsyncSession, generation_id: str, row_limit: int, *, of_pilot: bool = False
) -> list[QueuedStory]:
    """Lock the first queued rows that are due and that nobody else is claiming, in the run's order; `of_pilot`: none
    but those of its pilot."""
    statement = LOCK_PILOT if of_pilot else LOCK_QUEUED
    found = await session.execute(statement, {"generation_id": generation_id, "row_limit": row_limit})
    return [QueuedStory(*row) for row in found]


async def claim_stories(
    session: AsyncSession,
    caller: Caller,
    calls: Sequence[StoryCallRow],
    *,
    reserved_usd: Decimal,
    lease_seconds: float,
) -> bool:
    """Own locked rows under their new attempts, put their calls on the books as `sent`, count them and reserve
    their money. Commit before the calls leave. False, with nothing written, when the run is paused or over, or the
    money is gone."""
    values = {
        **asdict(caller),
        "rows": encode_rows(calls),
        "row_count": len(calls),
        "reserved_usd": reserved_usd,
        "lease_seconds": lease_seconds,
    }
    return bool((await session.execute(TAKE, values)).scalar_one())


async def renew_story_leases(session: AsyncSession, stories: Sequence[TakenStory], lease_seconds: float) -> None:
    """Hold on to rows; those that were lost meanwhile stay lost."""
    if stories:
        rows = encode_rows(stories)
        await session.execute(RENEW, {"rows": rows, "lease_seconds": lease_seconds})


async def find_next_due_seconds(session: AsyncSession, generation_id: str, *, of_pilot: bool = False) -> float | None:
    """Return in how many seconds the next queued row, or that of its pilot, may be claimed (0: now); None when none is
    queued."""
    statement = NEXT_DUE_OF_PILOT if of_pilot else NEXT_DUE_OF_RUN
    seconds: float | None = await session.scalar(statement, {"generation_id": generation_id})
    return seconds
