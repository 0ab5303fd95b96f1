"""Fine-tuning jobs as the routes of 2023 list and hide them. Writes nothing but their `deleted`."""

from collections.abc import Collection, Sequence

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import FineTuningJob, Model


async def list_legacy_jobs(session: AsyncSession, project_id: str, limit: int) -> Sequence[FineTuningJob]:
    """Return a project's newest jobs, the oldest of them first, without those deleted over the legacy routes."""
    query = (
        select(FineTuningJob)
        .where(FineTuningJob.project_id == project_id, FineTuningJob.legacy_deleted_at.is_(None))
        .order_by(FineTuningJob.id.desc())
        .limit(limit)
    )
    return (await session.scalars(query)).all()[::-1]


async def find_legacy_names(session: AsyncSession, job_ids: Collection[str]) -> dict[str, str]:
    """Return the names of 2023 of the models that jobs made."""
    query = select(Model.job_id, Model.legacy_name).where(
        Model.job_id.in_(set(job_ids)), Model.legacy_name.is_not(None)
    )
    return {job_id: name for job_id, name in await session.execute(query) if name is not None}


async def delete_legacy_job(session: AsyncSession, project_id: str, job_id: str) -> bool:
    """Hide a job that is over from the legacy routes; False when it is not over."""
    statement = (
        update(FineTuningJob)
        .where(FineTuningJob.id == job_id, FineTuningJob.project_id == project_id, FineTuningJob.step == "done")
        .values(legacy_deleted_at=func.now())
        .returning(FineTuningJob.id)
    )
    return (await session.scalars(statement)).one_or_none() is not None
