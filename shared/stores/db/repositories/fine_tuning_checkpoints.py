"""The models that a fine-tuning job left at its steps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import exists, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.clock import utc_now
from shared.stores.db.models import FineTuningCheckpoint, FineTuningJob
from shared.stores.db.repositories.pages import Page, fetch_page


@dataclass(frozen=True, slots=True)
class NewCheckpoint:
    """A model of a step."""

    step_number: int
    model: str
    metrics: dict[str, Any]
    upstream_id: str | None = None
    created_at: datetime = field(default_factory=utc_now)


async def record_checkpoints(session: AsyncSession, job_id: str, checkpoints: Iterable[NewCheckpoint]) -> None:
    """Write checkpoints, one per step; the last word on a step counts."""
    for checkpoint in checkpoints:
        await record_checkpoint(session, job_id, checkpoint)


async def record_checkpoint(session: AsyncSession, job_id: str, checkpoint: NewCheckpoint) -> None:
    """Write a checkpoint; one of the same step is replaced but keeps its id."""
    values = {
        "upstream_id": checkpoint.upstream_id,
        "model": checkpoint.model,
        "metrics": checkpoint.metrics,
        "created_at": checkpoint.created_at,
    }
    statement = insert(FineTuningCheckpoint).values(
        id=ids.new_id(ids.FINE_TUNING_CHECKPOINT), job_id=job_id, step_number=checkpoint.step_number, **values
    )
    await session.execute(statement.on_conflict_do_update(index_elements=["job_id", "step_number"], set_=values))


async def list_checkpoints(
    session: AsyncSession, job_id: str, after: str | None = None, limit: int = 10
) -> tuple[Sequence[FineTuningCheckpoint], bool]:
    """Return checkpoints, newest first, older than the one called `after`, and whether there is more."""
    query = select(FineTuningCheckpoint).where(FineTuningCheckpoint.job_id == job_id)
    below: int | None = None
    if after is not None:
        below = await session.scalar(
            select(FineTuningCheckpoint.step_number).where(
                FineTuningCheckpoint.job_id == job_id, FineTuningCheckpoint.id == after
            )
        )
        if below is None:
            return [], False
    return await fetch_page(session, query, FineTuningCheckpoint.step_number, Page(limit), below)


async def has_checkpoint(session: AsyncSession, project_id: str, model: str) -> bool:
    """Say whether a name is a checkpoint or the final model of a job of the project."""
    of_step = (
        exists()
        .where(FineTuningCheckpoint.model == model)
        .where(FineTuningCheckpoint.job_id == FineTuningJob.id, FineTuningJob.project_id == project_id)
    )
    final = exists().where(FineTuningJob.fine_tuned_model == model, FineTuningJob.project_id == project_id)
    return bool(await session.scalar(select(or_(of_step, final))))
