"""Who carries out a fine-tuning job: claimed by raising `attempt`, held by a lease, lost to whoever claims next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import FineTuningJob
from shared.stores.db.recordset import HELD, list_keys


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that is ours as `attempt`."""

    id: str
    project_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants done with a job: cancel · pause · resume."""

    wanted: str
    by: str


WishesByJob = Mapping[tuple[str, int], Wish | None]
"""What is wanted of jobs, by id and attempt."""


CLAIM: Final = text("""
    update fine_tuning_job
    set attempt = attempt + 1, worker_id = :worker_id, lease_until = now() + make_interval(secs => :lease_seconds)
    where id = :id and step <> 'done'
      and (worker_id is null or lease_until is null)
      and (not_before is null or not_before <= now() or (wanted is not null and step <> 'give_up'))
      and (status <> 'paused' or upstream_job_id is not null or wanted is not null)
    returning id, project_id, attempt
""")

RENEW: Final = text(f"""
    update fine_tuning_job job
    set lease_until = now() + make_interval(secs => :lease_seconds), worker_id = :worker_id
    from {HELD}
    where job.id = held.id and job.attempt = held.attempt and job.step <> 'done'
    returning job.id, job.attempt, job.wanted, job.wanted_by
""")  # noqa: S608  the only thing put in is a constant of ours

READ_WISHES: Final = text(f"""
    select job.id, job.attempt, job.wanted, job.wanted_by
    from fine_tuning_job job join {HELD} on job.id = held.id and job.attempt = held.attempt
    where job.step <> 'done'
""")  # noqa: S608  the only thing put in is a constant of ours

HAND_BACK: Final = text(f"""
    update fine_tuning_job job set worker_id = null, lease_until = now()
    from {HELD}
    where job.id = held.id and job.attempt = held.attempt and job.step <> 'done'
""")  # noqa: S608  the only thing put in is a constant of ours

DELAY: Final = text("""
    update fine_tuning_job set tries = :tries, not_before = now() + make_interval(secs => :delay_seconds)
    where id = :id and attempt = :attempt and step <> 'done'
    returning id
""")

RESET: Final = text("""
    update fine_tuning_job set tries = 0, not_before = null
    where id = :id and attempt = :attempt and step <> 'done' and tries > 0
""")

REQUEUE: Final = text("""
    with unheld as (
        select id from fine_tuning_job
        where step <> 'done'
          and coalesce(lease_until, created_at + make_interval(secs => :delivery_seconds)) < now()
          and (not_before is null or not_before <= now() or (wanted is not null and step <> 'give_up'))
          and (status <> 'paused' or upstream_job_id is not null or wanted is not null)
        order by id limit :row_limit for update skip locked)
    update fine_tuning_job
    set worker_id = null, lease_until = now() + make_interval(secs => :redelivery_seconds)
    from unheld where fine_tuning_job.id = unheld.id
    returning fine_tuning_job.id
""")


async def claim_job(session: AsyncSession, job_id: str, worker_id: str, lease_seconds: float) -> ClaimedJob | None:
    """Take a job that nobody holds and that may go on now; None when there is nothing to take. One whose lease has
    lapsed is freed by the reaper first."""
    values = {"id": job_id, "worker_id": worker_id, "lease_seconds": lease_seconds}
    row = (await session.execute(CLAIM, values)).one_or_none()
    return ClaimedJob(*row) if row else None


async def lock_claimed(session: AsyncSession, claimed: ClaimedJob) -> FineTuningJob | None:
    """Return the row of a job that is still ours, locked until the end of the transaction; None when another has
    claimed it since, or it is over."""
    query = select(FineTuningJob).where(
        FineTuningJob.id == claimed.id, FineTuningJob.attempt == claimed.attempt, FineTuningJob.step != "done"
    )
    return (await session.scalars(query.with_for_update())).one_or_none()


async def renew_jobs(
    session: AsyncSession, held: Sequence[ClaimedJob], worker_id: str, lease_seconds: float
) -> WishesByJob:
    """Renew the leases of the jobs that are still ours; return what is wanted of them."""
    values = {**list_keys(held), "worker_id": worker_id, "lease_seconds": lease_seconds}
    return collect_wishes((await session.execute(RENEW, values)).all())


async def read_wishes(session: AsyncSession, held: Sequence[ClaimedJob]) -> WishesByJob:
    """Return what is wanted of those jobs that are still ours."""
    return collect_wishes((await session.execute(READ_WISHES, list_keys(held))).all())


def collect_wishes(rows: Sequence[Any]) -> WishesByJob:
    """Return what is wanted, by job and attempt."""
    return {(job_id, attempt): Wish(wanted, by or "") if wanted else None for job_id, attempt, wanted, by in rows}


async def hand_back_jobs(session: AsyncSession, held: Sequence[ClaimedJob]) -> None:
    """End our leases now, so that another worker can claim the jobs at once."""
    await session.execute(HAND_BACK, list_keys(held))


async def delay_job(session: AsyncSession, claimed: ClaimedJob, tries: int, delay_seconds: float) -> bool:
    """Count a failure of the present step, and let it wait, whoever holds the job then; False when another has claimed
    it since, or it is over."""
    values = {"id": claimed.id, "attempt": claimed.attempt, "tries": tries, "delay_seconds": delay_seconds}
    return (await session.execute(DELAY, values)).scalar() is not None


async def forget_failures(session: AsyncSession, claimed: ClaimedJob) -> None:
    """The present step got on: its next failure is the first again."""
    await session.execute(RESET, {"id": claimed.id, "attempt": claimed.attempt})


async def requeue_undelivered_jobs(
    session: AsyncSession, *, row_limit: int, delivery_seconds: int, redelivery_seconds: int
) -> list[str]:
    """Free the jobs that nobody took, or whose lease has lapsed; return their ids, to be sent again."""
    values = {
        "row_limit": row_limit,
        "delivery_seconds": delivery_seconds,
        "redelivery_seconds": redelivery_seconds,
    }
    return list((await session.scalars(REQUEUE, values)).all())
