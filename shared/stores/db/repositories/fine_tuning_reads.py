"""Small reads that the worker of a fine-tuning job decides by. Writes nothing."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import Attempt, FineTuningChange, FineTuningEvent, FineTuningJob, FineTuningMetric


async def read_metrics(session: AsyncSession, job_id: str) -> Sequence[FineTuningMetric]:
    """Return everything that a job measured, in the order of its steps."""
    query = select(FineTuningMetric).where(FineTuningMetric.job_id == job_id).order_by(FineTuningMetric.step)
    return (await session.scalars(query)).all()


async def read_validation_losses(session: AsyncSession, job_id: str) -> list[tuple[int, float]]:
    """Return (step, loss) wherever a job was validated, in the order of its steps."""
    query = (
        select(FineTuningMetric.step, FineTuningMetric.valid_loss)
        .where(FineTuningMetric.job_id == job_id, FineTuningMetric.valid_loss.is_not(None))
        .order_by(FineTuningMetric.step)
    )
    return [(step, loss) for step, loss in await session.execute(query) if loss is not None]


async def has_event(session: AsyncSession, job_id: str, code: str) -> bool:
    """Say whether an event of ours with this code is in the job's story."""
    query = select(FineTuningEvent.position).where(
        FineTuningEvent.job_id == job_id, FineTuningEvent.data["code"].astext == code
    )
    return (await session.scalars(query.limit(1))).one_or_none() is not None


async def was_changed_by(session: AsyncSession, job_id: str, changed_by: str) -> bool:
    """Say whether somebody, or a rule, has ever changed the job's status."""
    query = select(FineTuningChange.position).where(
        FineTuningChange.job_id == job_id, FineTuningChange.changed_by == changed_by
    )
    return (await session.scalars(query.limit(1))).one_or_none() is not None


async def find_training_start(session: AsyncSession, job_id: str) -> datetime | None:
    """Return when the training was put on the books; None when nobody has tried to create it yet."""
    query = select(Attempt.started_at).where(Attempt.subject_id == job_id, Attempt.kind == "training")
    return (await session.scalars(query)).one_or_none()


async def find_upstream_id(session: AsyncSession, job_id: str) -> str | None:
    """Return the job's id at its provider."""
    return await session.scalar(select(FineTuningJob.upstream_job_id).where(FineTuningJob.id == job_id))
