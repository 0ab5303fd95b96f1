"""Which jobs are told to which experiment trackers. What is owed follows from the steps told, so that nothing is lost
with a worker, a tracker or a message. Who tells them: `tracker_claims`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.statuses import TRACKER_RUN
from shared.stores.db.models import FineTuningJob, FineTuningMetric, TrackerRun

(OPEN,) = TRACKER_RUN.workable
COMPLETE, GIVEN_UP = TRACKER_RUN.final
SINKS: Final = ("wandb", "mlflow", "trackio", "tensorboard")


async def open_tracker_runs(
    session: AsyncSession, job_id: str, integrations: Sequence[Mapping[str, Any]], defaults: Sequence[str]
) -> list[str]:
    """Owe a job to the trackers that its `integrations` name and to the server's own; return their names.

    An integration is `{"type": "wandb", "wandb": {...}}`. Call it in the transaction that makes the job. The first
    integration of a type counts."""
    wanted: dict[str, dict[str, Any]] = {}
    for integration in integrations:
        wanted.setdefault(integration["type"], dict(integration.get(integration["type"]) or {}))
    for sink in defaults:
        wanted.setdefault(sink, {})
    if wanted:
        rows = [{"job_id": job_id, "sink": sink, "config": config, "status": OPEN} for sink, config in wanted.items()]
        await session.execute(insert(TrackerRun).on_conflict_do_nothing(), rows)
    return list(wanted)


async def list_tracker_runs(session: AsyncSession, job_id: str) -> Sequence[TrackerRun]:
    """Return where a job is told, and how far."""
    query = select(TrackerRun).where(TrackerRun.job_id == job_id).order_by(TrackerRun.sink)
    return (await session.scalars(query)).all()


async def get_told_job(session: AsyncSession, job_id: str) -> FineTuningJob:
    """Return the job that is told of. Raises: NoResultFound for an unknown job."""
    return (await session.scalars(select(FineTuningJob).where(FineTuningJob.id == job_id))).one()


async def count_measured(session: AsyncSession, job_id: str, last_step: int) -> dict[str, int]:
    """Return how many values each column of a job's metrics has, up to a step."""
    columns = [column for column in FineTuningMetric.__table__.columns if not column.primary_key]
    query = select(*(func.count(column).label(column.name) for column in columns)).where(
        FineTuningMetric.job_id == job_id, FineTuningMetric.step <= last_step
    )
    return dict((await session.execute(query)).one()._mapping)
