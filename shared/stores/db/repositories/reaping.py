"""What the reaper finds and mends: rows that nobody holds, calls without outcome, messages that were lost.

Every function takes a bounded number of rows and skips locked ones, so two reapers never wait for each other."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

BATCH_ROWS: Final = 1_000
"""Per step and transaction; what is left waits for the next round, seconds later."""
DELIVERY_SECONDS: Final = 5
"""A queued row whose message nobody took for so long gets another."""
REDELIVERY_SECONDS: Final = 30
"""Then not again before this has passed: a long queue is no reason to make it longer. (Texts keep their place in the
line however often they are put into it.)"""
DELIVERY: Final = {
    "row_limit": BATCH_ROWS,
    "delivery_seconds": DELIVERY_SECONDS,
    "redelivery_seconds": REDELIVERY_SECONDS,
}
"""The three, as every `requeue_undelivered…` takes them."""
COMPLETION_DELIVERY: Final = {"row_limit": BATCH_ROWS, "delivery_seconds": 3, "redelivery_seconds": DELIVERY_SECONDS}
"""For an interactive text somebody waits: with the reaper's round of 2 s it is sent again within 5."""
END_GRACE_SECONDS: Final = 2
"""A finished row's own worker publishes the end; after this it is taken to be dead."""


@dataclass(frozen=True, slots=True)
class UnheldGeneration:
    """An active run that no worker holds."""

    id: str
    needs_expansion: bool


@dataclass(frozen=True, slots=True)
class DeathLimit:
    """When a row that takes its workers with it is given up."""

    suspect_deaths: int
    """After so many in a row it waits for a chance moment, so that its neighbours are not in the same worker."""
    most_deaths: int
    """After so many in a row it fails."""
    failure_class: str
    failure_message: str


@dataclass(frozen=True, slots=True)
class LostAttempt:
    """A call of which no outcome will come: its worker lost the row."""

    id: str
    subject_id: str
    generation_id: str | None
    reserved_usd: Decimal | None
    api_key_id: str


# Each claim of a story is one call: claims after the last call of which an outcome is known are workers that were lost
# in a row. Hardly a row has so many, so that the others cost no look at their calls.
REQUEUE_STORIES: Final = text("""
    with lapsed as (
        select id, attempt from story where status = 'running' and lease_until < now()
        order by id limit :row_limit for update skip locked),
    counted as (
        select id, case when attempt < :suspect_deaths then 0 else attempt - coalesce((
            select max(number) from attempt
            where subject_id = lapsed.id and outcome not in ('sent', 'unknown')), 0) end as deaths
        from lapsed),
    judged as (
        select id, deaths, deaths >= :most_deaths as is_over from counted),
    requeued as (
        update story
        set status = case when is_over then 'failed' else 'queued' end, worker_id = null, lease_until = null,
            not_before = case when deaths >= :suspect_deaths then now() + random() * deaths * interval '1 s' end,
            failure_class = case when is_over then :failure_class end,
            failure_message = case when is_over then :failure_message end,
            finished_at = case when is_over then now() end
        from judged where story.id = judged.id
        returning story.generation_id, is_over)
    select generation_id, count(*), count(*) filter (where is_over)
    from requeued group by generation_id order by generation_id
""")

REQUEUE_COMPLETIONS: Final = text("""
    with undelivered as (
        select id from completion
        where status in ('queued', 'running')
          and coalesce(lease_until, created_at + make_interval(secs => :delivery_seconds)) < now()
        order by id limit :row_limit for update skip locked)
    update completion
    set status = 'queued', worker_id = null, lease_until = now() + make_interval(secs => :redelivery_seconds)
    from undelivered where completion.id = undelivered.id
    returning completion.id, completion.project_id
""")

TAKE_UNHELD: Final = text("""
    with unheld as (
        select id from generation
        where status in ('queued', 'running')
          and coalesce(delivered_at, created_at) < now() - make_interval(secs => :hold_seconds)
        order by id limit :row_limit for update skip locked)
    update generation set delivered_at = now()
    from unheld where generation.id = unheld.id
    returning generation.id, generation.expanded < generation.total
""")

RESUME_DUE: Final = text("""
    with due as (
        select id from generation where status = 'paused' and resumes_at <= now()
        order by id limit :row_limit for update skip locked)
    update generation set status = 'queued', status_reason = null, resumes_at = null, delivered_at = now()
    from due where generation.id = due.id
    returning generation.id, generation.expanded < generation.total
""")

CANCEL_STORIES: Final = text("""
    with cancelled as (
        select story.id, generation.finished_at from story join generation on generation.id = story.generation_id
        where story.status = 'queued' and generation.status = 'cancelled'
        limit :row_limit for update of story skip locked)
    update story set status = 'cancelled', finished_at = coalesce(cancelled.finished_at, now())
    from cancelled where story.id = cancelled.id
    returning 1
""")

FIND_LOST: Final = text("""
    select attempt.id, attempt.subject_id, attempt.generation_id, attempt.reserved_usd,
           coalesce(generation.api_key_id, completion.api_key_id)
    from attempt
    left join story on story.id = attempt.subject_id
    left join generation on generation.id = attempt.generation_id
    left join completion on completion.id = attempt.subject_id
    where attempt.outcome = 'sent' and attempt.kind = 'inference'
      and attempt.started_at < now() - make_interval(secs => :lease_seconds)
      and ((story.id is not null and (story.status <> 'running' or story.attempt <> attempt.number))
        or (completion.id is not null and (completion.status <> 'running' or completion.attempt <> attempt.number)))
    order by attempt.id limit :row_limit for update of attempt skip locked
""")


async def takes_writes(session: AsyncSession) -> bool:
    """Say whether this Postgres takes writes just now."""
    return bool(await session.scalar(text("select current_setting('transaction_read_only') = 'off'")))


async def requeue_lapsed_stories(session: AsyncSession, limit: DeathLimit) -> int:
    """Queue again the stories whose lease has lapsed, or fail those that took too many workers with them, and correct
    their runs' counters; return how many. Their calls stay as they are, to be settled as unknown."""
    found = (await session.execute(REQUEUE_STORIES, {"row_limit": BATCH_ROWS, **asdict(limit)})).all()
    for generation_id, count, failed in found:
        await session.execute(
            text("update generation set running = running - :count, failed = failed + :failed where id = :id"),
            {"id": generation_id, "count": count, "failed": failed},
        )
    return sum(count for _, count, _ in found)


async def requeue_undelivered_completions(session: AsyncSession) -> list[tuple[str, str]]:
    """Queue again the completions that nobody took or whose lease has lapsed; return their ids, to be sent again, each
    with its project's."""
    found = await session.execute(REQUEUE_COMPLETIONS, COMPLETION_DELIVERY)
    return [(row_id, project_id) for row_id, project_id in found]


async def take_unheld_generations(session: AsyncSession, hold_seconds: float) -> list[UnheldGeneration]:
    """Return active runs whose holder has been silent for so long; they count as delivered from now on."""
    found = await session.execute(TAKE_UNHELD, {"row_limit": BATCH_ROWS, "hold_seconds": hold_seconds})
    return [UnheldGeneration(*row) for row in found]


async def resume_due_generations(session: AsyncSession) -> list[UnheldGeneration]:
    """Queue the runs again whose pause is over; return them."""
    found = await session.execute(RESUME_DUE, {"row_limit": BATCH_ROWS})
    return [UnheldGeneration(*row) for row in found]


async def cancel_stories_of_cancelled_runs(session: AsyncSession) -> int:
    """Give rows that were still queued when their run was cancelled the final state that readers see already; return
    how many."""
    return len((await session.execute(CANCEL_STORIES, {"row_limit": BATCH_ROWS})).all())


async def lock_lost_attempts(session: AsyncSession, lease_seconds: float) -> list[LostAttempt]:
    """Lock and return calls older than a lease, without outcome, whose row has moved on."""
    found = await session.execute(FIND_LOST, {"row_limit": BATCH_ROWS, "lease_seconds": lease_seconds})
    return [LostAttempt(*row) for row in found]


async def find_missing_ends(session: AsyncSession) -> Sequence[str]:
    """Return finished completions whose stream was not told, and whose worker had its time to do it."""
    statement = text("""
        select id from completion
        where not end_published and status in ('succeeded', 'failed', 'cancelled')
          and finished_at < now() - make_interval(secs => :grace_seconds)
        order by finished_at limit :row_limit
    """)
    return (await session.scalars(statement, {"row_limit": BATCH_ROWS, "grace_seconds": END_GRACE_SECONDS})).all()


async def delete_old_idempotency_keys(session: AsyncSession, *, older_than_hours: int) -> None:
    """Forget some of the answers kept under `Idempotency-Key` for long enough: a backlog goes round by round."""
    statement = text("""
        delete from idempotency_key where ctid in (
            select ctid from idempotency_key where created_at < now() - make_interval(hours => :hours)
            limit :row_limit for update skip locked)
    """)
    await session.execute(statement, {"hours": older_than_hours, "row_limit": BATCH_ROWS})
