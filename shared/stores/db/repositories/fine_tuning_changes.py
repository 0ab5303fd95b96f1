"""Every change of a fine-tuning job's status: who made it and why. For the gateway, which records the beginning and
shows all, and the workers, who record the rest."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from shared.clock import utc_now
from shared.stores.db.models import FineTuningChange, FineTuningJob


async def write_change(
    session: AsyncSession, job_id: str, *, from_status: str | None, to_status: str, by: str, reason: str
) -> None:
    """Note a change of status; the job's row is locked."""
    query = select(func.max(FineTuningChange.position)).where(FineTuningChange.job_id == job_id)
    last = await session.scalar(query)
    session.add(
        FineTuningChange(
            job_id=job_id,
            position=(last or 0) + 1,
            from_status=from_status,
            to_status=to_status,
            changed_by=by,
            reason=reason,
        )
    )
    await session.flush()


async def change_status(
    session: AsyncSession, job: FineTuningJob, to: str, *, by: str, reason: str, values: Mapping[str, Any] | None = None
) -> None:
    """Change the status of a job whose row this transaction has locked, and note who did it and why.
    `values` are further columns to set. Nothing is noted where the status stays."""
    from_status, changes = job.status, dict(values or {})
    if from_status != to:
        changes |= {"status": to}
        if to == "running" and job.started_at is None:
            changes["started_at"] = utc_now()
        await write_change(session, job.id, from_status=from_status, to_status=to, by=by, reason=reason)
    if changes:
        await session.execute(update(FineTuningJob).where(FineTuningJob.id == job.id).values(**changes))
        await session.refresh(job)


async def list_changes(session: AsyncSession, job_id: str) -> Sequence[FineTuningChange]:
    """Return every change of the job's status, oldest first."""
    query = select(FineTuningChange).where(FineTuningChange.job_id == job_id).order_by(FineTuningChange.position)
    return (await session.scalars(query)).all()


async def find_last_reasons(session: AsyncSession, job_ids: Collection[str]) -> dict[str, str]:
    """Return why each job has the status that it has."""
    query = (
        select(FineTuningChange.job_id, FineTuningChange.reason)
        .where(FineTuningChange.job_id.in_(set(job_ids)))
        .ext(distinct_on(FineTuningChange.job_id))
        .order_by(FineTuningChange.job_id, FineTuningChange.position.desc())
    )
    return {row.job_id: row.reason for row in await session.execute(query)}


async def was_changed_by(session: AsyncSession, job_id: str, changed_by: str) -> bool:
    """Say whether somebody, or a rule, has ever changed the job's status."""
    query = select(FineTuningChange.position).where(
        FineTuningChange.job_id == job_id, FineTuningChange.changed_by == changed_by
    )
    return (await session.scalars(query.limit(1))).one_or_none() is not None
