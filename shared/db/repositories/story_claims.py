"""How a worker comes to own stories of a generation, and keeps them: rows locked, attempt raised, lease set.

A claim is two statements in one transaction, because what a row may cost is known only when its prompt is rendered:
`lock_queued_stories`, then `take_stories` for those that the budget allows. Rows not taken are free again at commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.recordset import encode_rows

LEASE_SECONDS: Final = 10
"""How long a claim holds without being renewed."""


@dataclass(frozen=True, slots=True)
class QueuedStory:
    """A row that is locked, but not yet owned."""

    id: str
    attempt: int
    """The last claim; this one will be one higher."""
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TakenStory:
    """A row and the attempt by which a worker owns it."""

    id: str
    attempt: int


LOCK_QUEUED: Final = text("""
    select id, attempt, attributes from story
    where generation_id = :generation_id and status = 'queued' and (not_before is null or not_before <= now())
    order by position
    limit :row_limit
    for update skip locked
""")

TAKE: Final = text("""
    update story
    set status = 'running', attempt = rows.attempt, worker_id = :worker_id, not_before = null,
        lease_until = now() + make_interval(secs => :lease_seconds)
    from json_to_recordset(cast(:rows as json)) as rows (id text, attempt int)
    where story.id = rows.id
""")

RENEW: Final = text("""
    update story set lease_until = now() + make_interval(secs => :lease_seconds)
    from json_to_recordset(cast(:rows as json)) as rows (id text, attempt int)
    where story.id = rows.id and story.attempt = rows.attempt and story.status = 'running'
""")


async def lock_queued_stories(session: AsyncSession, generation_id: str, row_limit: int) -> list[QueuedStory]:
    """Lock the first queued rows that are due and that nobody else is claiming, in the run's order."""
    found = await session.execute(LOCK_QUEUED, {"generation_id": generation_id, "row_limit": row_limit})
    return [QueuedStory(*row) for row in found]


async def take_stories(session: AsyncSession, worker_id: str, stories: Sequence[TakenStory]) -> None:
    """Own locked rows under their new attempts."""
    rows = encode_rows(stories)
    await session.execute(TAKE, {"worker_id": worker_id, "rows": rows, "lease_seconds": LEASE_SECONDS})


async def renew_story_leases(session: AsyncSession, stories: Sequence[TakenStory]) -> None:
    """Hold on to rows; those that were lost meanwhile stay lost."""
    if stories:
        rows = encode_rows(stories)
        await session.execute(RENEW, {"rows": rows, "lease_seconds": LEASE_SECONDS})


async def find_next_due_seconds(session: AsyncSession, generation_id: str) -> float | None:
    """Return in how many seconds the next queued row may be claimed (0: now); None when no row is queued."""
    statement = text("""
        select greatest(0, extract(epoch from min(coalesce(not_before, now())) - now()))::float8 from story
        where generation_id = :generation_id and status = 'queued'
        having count(*) > 0
    """)
    seconds: float | None = await session.scalar(statement, {"generation_id": generation_id})
    return seconds
