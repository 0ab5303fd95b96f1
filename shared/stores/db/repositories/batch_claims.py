"""Who works on a batch: claimed by raising `attempt`, held by a lease; every later write is guarded by the attempt.

A batch is taken twice: while its file is checked and its run is made, and when that run is over, or may make no more
calls and has none under way, to write what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.storable import encode_storable_json
from shared.stores.db.recordset import HELD, list_keys


@dataclass(frozen=True, slots=True)
class BatchClaim:
    """A batch that is ours as `attempt`."""

    id: str
    attempt: int
    status: str
    """As claimed: validating, finalizing or cancelling."""
    project_id: str
    api_key_id: str
    endpoint: str
    input_file_id: str
    generation_id: str | None
    model: str | None
    began: bool
    """Its run was let go: there may be answers."""


# What may be worked on now: a file to check; a run that may make no more calls, and has none under way; one that is
# over.
READY: Final = """
    ((batch.status in ('validating', 'finalizing', 'cancelling') and coalesce(generation.running, 0) = 0)
     or (batch.status = 'in_progress' and generation.status in ('succeeded', 'failed', 'cancelled')))
"""

CLAIM: Final = text(f"""
    with free as (
        select batch.id from batch left join generation on generation.id = batch.generation_id
        where batch.id = :batch_id and batch.worker_id is null and {READY}
        for update of batch skip locked)
    update batch
    set attempt = attempt + 1, worker_id = :worker_id, lease_until = now() + make_interval(secs => :lease_seconds),
        finalizing_at = case when status = 'in_progress' then now() else finalizing_at end,
        status = case when status = 'in_progress' then 'finalizing' else status end
    from free where batch.id = free.id
    returning batch.id, batch.attempt, batch.status, batch.project_id, batch.api_key_id, batch.endpoint,
              batch.input_file_id, batch.generation_id, batch.model, batch.in_progress_at is not null
""")  # noqa: S608  the only thing put in is a constant of ours

RENEW: Final = text(f"""
    update batch set lease_until = now() + make_interval(secs => :lease_seconds), worker_id = :worker_id from {HELD}
    where batch.id = held.id and batch.attempt = held.attempt
      and batch.status in ('validating', 'finalizing', 'cancelling')
    returning batch.id, batch.attempt
""")  # noqa: S608  the only thing put in is a constant of ours

HAND_BACK: Final = text(f"""
    update batch set worker_id = null, lease_until = now() + make_interval(secs => :wait_seconds) from {HELD}
    where batch.id = held.id and batch.attempt = held.attempt
      and batch.status in ('validating', 'finalizing', 'cancelling')
""")  # noqa: S608  the only thing put in is a constant of ours

EXPIRE: Final = text("""
    with overdue as (
        select id, generation_id from batch
        where status in ('validating', 'finalizing', 'cancelling', 'in_progress') and status = 'in_progress'
          and expires_at <= now()
        order by id limit :row_limit for update skip locked),
    expired as (
        update batch set status = 'finalizing', finalizing_at = now(), worker_id = null, lease_until = null
        from overdue where batch.id = overdue.id)
    update generation
    set status = 'paused', status_reason = 'the batch has expired', limited_by = null, resumes_at = null
    from overdue
    where generation.id = overdue.generation_id and generation.status in ('queued', 'running', 'paused')
""")

REQUEUE: Final = text(f"""
    with undelivered as (
        select batch.id from batch left join generation on generation.id = batch.generation_id
        where batch.status in ('validating', 'finalizing', 'cancelling', 'in_progress') and {READY}
          and coalesce(batch.lease_until, batch.created_at + make_interval(secs => :delivery_seconds)) < now()
        order by batch.id limit :row_limit for update of batch skip locked)
    update batch set worker_id = null, lease_until = now() + make_interval(secs => :redelivery_seconds)
    from undelivered where batch.id = undelivered.id
    returning batch.id
""")  # noqa: S608  the only thing put in is a constant of ours

MAKE_RUN: Final = text("""
    with ours as (
        update batch set generation_id = coalesce(generation_id, :generation_id), model = :model
        where id = :id and attempt = :attempt and status = 'validating'
        returning generation_id, project_id, api_key_id),
    made as (
        insert into generation (id, project_id, api_key_id, status, status_reason, model, parameters, repeats, total)
        select generation_id, project_id, api_key_id, 'paused', 'the lines of the batch are being read', :called_model,
               '{}', 1, :total
        from ours
        on conflict (id) do nothing)
    select generation_id from ours
""")

BEGIN: Final = text("""
    with ours as (
        update batch set status = 'in_progress', in_progress_at = now(), worker_id = null, lease_until = null
        where id = :id and attempt = :attempt and status = 'validating'
        returning generation_id)
    update generation set status = 'queued', status_reason = null, delivered_at = now()
    from ours where generation.id = ours.generation_id
    returning 1
""")

FAIL: Final = text("""
    with ours as (
        update batch
        set status = 'failed', errors = cast(:errors as jsonb), finished_at = now(), worker_id = null,
            lease_until = null
        where id = :id and attempt = :attempt and status in ('validating', 'finalizing', 'cancelling')
        returning generation_id),
    ended as (
        update generation set status = 'cancelled', finished_at = now(), limited_by = null, resumes_at = null
        from ours
        where generation.id = ours.generation_id and generation.status in ('queued', 'running', 'paused'))
    select count(*) from ours
""")

FINISH: Final = text("""
    with ours as (
        update batch
        set status = :status, usage = cast(:usage as jsonb), output_file_id = :output_file_id,
            error_file_id = :error_file_id, finished_at = now(), worker_id = null, lease_until = null,
            finalizing_at = coalesce(finalizing_at, now())
        where id = :id and attempt = :attempt and status in ('validating', 'finalizing', 'cancelling')
        returning generation_id),
    ended as (
        update generation set status = 'cancelled', finished_at = now(), limited_by = null, resumes_at = null
        from ours
        where generation.id = ours.generation_id and generation.status in ('queued', 'running', 'paused'))
    select count(*) from ours
""")
"""A run that is not over now has rows that nobody will ask for any more."""


@dataclass(frozen=True, slots=True)
class BatchEnding:
    """A final status with what is told beside it: the tokens, and the files that were written."""

    status: str
    usage: dict[str, Any] | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None


async def claim_batch(session: AsyncSession, batch_id: str, worker_id: str, lease_seconds: float) -> BatchClaim | None:
    """Take a batch that nobody holds and that there is something to do for; None otherwise."""
    values = {"batch_id": batch_id, "worker_id": worker_id, "lease_seconds": lease_seconds}
    row = (await session.execute(CLAIM, values)).one_or_none()
    return BatchClaim(*row) if row else None


async def renew_batches(
    session: AsyncSession, held: Sequence[BatchClaim], worker_id: str, lease_seconds: float
) -> set[tuple[str, int]]:
    """Renew leases; return id and attempt of the rows that are still ours."""
    found = await session.execute(RENEW, {**list_keys(held), "worker_id": worker_id, "lease_seconds": lease_seconds})
    return {(row.id, row.attempt) for row in found}


async def hand_back_batches(session: AsyncSession, held: Sequence[BatchClaim], wait_seconds: float = 0) -> None:
    """End our leases now, so that another worker can claim the rows at once; the reaper sends them when the wait is
    over."""
    await session.execute(HAND_BACK, {**list_keys(held), "wait_seconds": wait_seconds})


async def requeue_ready_batches(
    session: AsyncSession, *, row_limit: int, delivery_seconds: int, redelivery_seconds: int
) -> list[str]:
    """End the batches whose time is over; return the ids of all that there is something to do for and that nobody
    holds, to be sent (again)."""
    await session.execute(EXPIRE, {"row_limit": row_limit})
    values = {
        "row_limit": row_limit,
        "delivery_seconds": delivery_seconds,
        "redelivery_seconds": redelivery_seconds,
    }
    return list((await session.scalars(REQUEUE, values)).all())


async def make_run(
    session: AsyncSession, claim: BatchClaim, *, generation_id: str, model: str, called_model: str, total: int
) -> str | None:
    """Record the run that answers the batch, at rest until `begin_run`; return its id, an earlier claim's if that made
    one. None when the batch is not ours any more."""
    values = {"generation_id": generation_id, "model": model, "called_model": called_model, "total": total}
    found: str | None = await session.scalar(MAKE_RUN, {"id": claim.id, "attempt": claim.attempt, **values})
    return found


async def begin_run(session: AsyncSession, claim: BatchClaim) -> bool:
    """Let the run go; False when the batch is not ours any more."""
    return (await session.scalar(BEGIN, {"id": claim.id, "attempt": claim.attempt})) is not None


async def fail_batch(session: AsyncSession, claim: BatchClaim, errors: Sequence[dict[str, Any]]) -> bool:
    """Write why nothing comes of the batch; False when it is not ours any more."""
    values = {"id": claim.id, "attempt": claim.attempt, "errors": encode_storable_json(list(errors)).decode()}
    return bool(await session.scalar(FAIL, values))


async def finish_batch(session: AsyncSession, claim: BatchClaim, ending: BatchEnding) -> bool:
    """Write the final status and the files; False when the batch is not ours any more: then roll everything back."""
    values = {
        "status": ending.status,
        "usage": None if ending.usage is None else encode_storable_json(ending.usage).decode(),
        "output_file_id": ending.output_file_id,
        "error_file_id": ending.error_file_id,
    }
    return bool(await session.scalar(FINISH, {"id": claim.id, "attempt": claim.attempt, **values}))


async def is_run_over(session: AsyncSession, generation_id: str) -> bool:
    """Say whether every row of a run has a final state."""
    statement = text("select succeeded + failed + rejected >= total from generation where id = :generation_id")
    return bool(await session.scalar(statement, {"generation_id": generation_id}))
