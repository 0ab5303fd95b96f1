"""Who tells a job to a tracker: claimed by raising `attempt`, held by a lease, left when all that is known is told.
Every later write is guarded by the attempt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.storable import encode_storable_json
from shared.stores.db.models import TrackerRun
from shared.stores.db.repositories.tracker_runs import COMPLETE, GIVEN_UP, OPEN

REDELIVERY_SECONDS: Final = 30
"""How long a message may take to its worker before it is sent again."""


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """A tracker run that is ours as `attempt`."""

    job_id: str
    sink: str
    config: dict[str, Any]
    run_ref: str | None
    told_step: int
    attempt: int
    tries: int
    detail: dict[str, Any]


CLAIM: Final = text("""
    update tracker_run
    set attempt = attempt + 1, worker_id = :worker_id, lease_until = now() + make_interval(secs => :lease_seconds)
    where job_id = :job_id and sink = :sink and status = 'open' and lease_until is null
    returning job_id, sink, config, run_ref, told_step, attempt, tries, coalesce(detail, '{}')
""")


HELD: Final = """
    unnest(cast(:job_ids as text[]), cast(:sinks as text[]), cast(:attempts as int[])) as held (job_id, sink, attempt)
    where run.job_id = held.job_id and run.sink = held.sink and run.attempt = held.attempt and run.status = 'open'
"""


RENEW: Final = text(f"""
    update tracker_run run set lease_until = now() + make_interval(secs => :lease_seconds) from {HELD}
    returning run.job_id, run.sink, run.attempt
""")  # noqa: S608  the only thing put in is a constant of ours


HAND_BACK: Final = text(f"""
    update tracker_run run set worker_id = null, lease_until = null, next_at = now() from {HELD}
""")  # noqa: S608  the only thing put in is a constant of ours


TELL: Final = text("""
    update tracker_run
    set told_step = :told_step, run_ref = :run_ref, detail = cast(:detail as jsonb),
        tries = case when :told_step > told_step then 0 else tries end,
        last_error = case when :told_step > told_step then null else last_error end
    where job_id = :job_id and sink = :sink and attempt = :attempt and status = 'open'
    returning job_id
""")


LEAVE: Final = text("""
    update tracker_run
    set status = cast(:status as text), tries = coalesce(cast(:tries as int), tries),
        last_error = case when cast(:status as text) <> 'complete' then coalesce(cast(:error as text), last_error) end,
        worker_id = null, lease_until = null,
        next_at = now() + make_interval(secs => :wait_seconds)
    where job_id = :job_id and sink = :sink and attempt = :attempt and status = 'open'
    returning job_id
""")


TAKE_DUE: Final = text("""
    with due as (
        select job_id, sink from tracker_run
        where status = 'open' and next_at <= now() and coalesce(lease_until, now()) <= now()
        order by next_at limit :row_limit for update skip locked)
    update tracker_run
    set worker_id = null, lease_until = null, next_at = now() + make_interval(secs => :redelivery_seconds)
    from due where tracker_run.job_id = due.job_id and tracker_run.sink = due.sink
    returning tracker_run.job_id, tracker_run.sink
""")


async def claim_run(
    session: AsyncSession, job_id: str, sink: str, worker_id: str, lease_seconds: float
) -> ClaimedRun | None:
    """Take a run that nobody holds; None when it is held or over."""
    values = {"job_id": job_id, "sink": sink, "worker_id": worker_id, "lease_seconds": lease_seconds}
    row = (await session.execute(CLAIM, values)).one_or_none()
    return ClaimedRun(*row) if row else None


async def renew_runs(
    session: AsyncSession, held: Sequence[ClaimedRun], lease_seconds: float
) -> set[tuple[str, str, int]]:
    """Renew leases; return job, sink and attempt of the runs that are still ours."""
    found = await session.execute(RENEW, {**list_run_keys(held), "lease_seconds": lease_seconds})
    return {(row.job_id, row.sink, row.attempt) for row in found}


async def hand_back_runs(session: AsyncSession, held: Sequence[ClaimedRun]) -> None:
    """End our leases now, so that another worker can claim the runs at once."""
    await session.execute(HAND_BACK, list_run_keys(held))


def list_run_keys(held: Sequence[ClaimedRun]) -> dict[str, list[Any]]:
    """Return the parameters of HELD."""
    return {
        "job_ids": [run.job_id for run in held],
        "sinks": [run.sink for run in held],
        "attempts": [run.attempt for run in held],
    }


async def note_told(
    session: AsyncSession, claimed: ClaimedRun, *, told_step: int, run_ref: str | None, detail: Mapping[str, Any]
) -> bool:
    """Write how far the tracker has been told; False when the run is not ours any more."""
    values = {"told_step": told_step, "run_ref": run_ref, "detail": encode_storable_json(dict(detail)).decode()}
    return await is_written(session, TELL, claimed, **values)


async def complete_run(session: AsyncSession, claimed: ClaimedRun) -> bool:
    """The tracker knows everything; False when the run is not ours any more."""
    return await is_written(session, LEAVE, claimed, status=COMPLETE, error=None, tries=0, wait_seconds=0)


async def leave_run(
    session: AsyncSession,
    claimed: ClaimedRun,
    *,
    error: str | None = None,
    tries: int | None = None,
    wait_seconds: float,
) -> bool:
    """Let go of a run that is to go on after `wait_seconds`; False when it is not ours any more. Without an error of
    this time the last one stays until a step is told."""
    values = {"status": OPEN, "error": error, "tries": tries, "wait_seconds": wait_seconds}
    return await is_written(session, LEAVE, claimed, **values)


async def give_up_run(session: AsyncSession, claimed: ClaimedRun, error: str, tries: int) -> bool:
    """Tell this tracker no more; False when the run is not ours any more."""
    return await is_written(session, LEAVE, claimed, status=GIVEN_UP, error=error, tries=tries, wait_seconds=0)


async def count_failure(session: AsyncSession, claimed: ClaimedRun) -> int:
    """Return how many failures in a row there are with this one; a step told in between begins anew."""
    query = select(TrackerRun.tries).where(TrackerRun.job_id == claimed.job_id, TrackerRun.sink == claimed.sink)
    return (await session.scalar(query) or 0) + 1


async def is_written(session: AsyncSession, statement: Any, claimed: ClaimedRun, **values: Any) -> bool:
    """Run a statement that our attempt guards; say whether the row was still ours."""
    key = {"job_id": claimed.job_id, "sink": claimed.sink, "attempt": claimed.attempt}
    return (await session.execute(statement, {**key, **values})).scalar() is not None


async def take_due_runs(session: AsyncSession, row_limit: int) -> list[tuple[str, str]]:
    """Return runs that nobody holds and that may go on now, for their messages to be sent (again)."""
    values = {"row_limit": row_limit, "redelivery_seconds": REDELIVERY_SECONDS}
    return [(job_id, sink) for job_id, sink in (await session.execute(TAKE_DUE, values)).all()]
