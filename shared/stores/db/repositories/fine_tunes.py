"""Reads of fine-tuning jobs for those who show them: watchers, pages, the routes of 2023. Writes nothing but their
`deleted`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import FineTuningChange, FineTuningCheckpoint, FineTuningEvent, FineTuningJob, Model


@dataclass(frozen=True, slots=True)
class JobMark:
    """How far a job is: equal marks, nothing new."""

    status: str
    step: str
    last_position: int
    """Of its events."""

    @property
    def is_over(self) -> bool:
        """Say whether nothing will follow."""
        return self.step == "done"


async def find_marks(session: AsyncSession, job_ids: Collection[str]) -> dict[str, JobMark]:
    """Return where jobs stand, each in one consistent look."""
    last = (
        select(func.coalesce(func.max(FineTuningEvent.position), 0))
        .where(FineTuningEvent.job_id == FineTuningJob.id)
        .scalar_subquery()
    )
    query = select(FineTuningJob.id, FineTuningJob.status, FineTuningJob.step, last)
    found = await session.execute(query.where(FineTuningJob.id.in_(set(job_ids))))
    return {job_id: JobMark(status, step, position) for job_id, status, step, position in found}


async def find_last_reasons(session: AsyncSession, job_ids: Collection[str]) -> dict[str, str]:
    """Return why each job has the status that it has."""
    query = (
        select(FineTuningChange.job_id, FineTuningChange.reason)
        .where(FineTuningChange.job_id.in_(set(job_ids)))
        .ext(distinct_on(FineTuningChange.job_id))
        .order_by(FineTuningChange.job_id, FineTuningChange.position.desc())
    )
    return {row.job_id: row.reason for row in await session.execute(query)}


async def find_event_position(session: AsyncSession, job_id: str, event_id: str) -> int | None:
    """Return an event's place in its job's story."""
    query = select(FineTuningEvent.position).where(FineTuningEvent.id == event_id, FineTuningEvent.job_id == job_id)
    return (await session.scalars(query)).one_or_none()


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


async def has_checkpoint(session: AsyncSession, project_id: str, model: str) -> bool:
    """Say whether a name is a checkpoint or the final model of a job of the project."""
    of_step = (
        exists()
        .where(FineTuningCheckpoint.model == model)
        .where(FineTuningCheckpoint.job_id == FineTuningJob.id, FineTuningJob.project_id == project_id)
    )
    final = exists().where(FineTuningJob.fine_tuned_model == model, FineTuningJob.project_id == project_id)
    return bool(await session.scalar(select(or_(of_step, final))))
