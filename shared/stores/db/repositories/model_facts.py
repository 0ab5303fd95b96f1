"""What is known of how models came about, for trees and lineage: their jobs, data and last measured losses."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import DatasetRow, DatasetVersion, FineTuningJob, FineTuningMetric, Model


@dataclass(frozen=True, slots=True)
class TuningFacts:
    """One model's job and data."""

    training_file_id: str
    rows: int | None
    """Of the dataset version; None for a plain file."""
    trained_tokens: int | None
    cost_usd: Decimal | None
    train_loss: float | None
    """The last one that was measured."""
    valid_loss: float | None
    replay: dict[str, Any] | None


async def list_facts(session: AsyncSession, models: Sequence[Model]) -> dict[str, TuningFacts]:
    """Return the facts of models by id."""
    query = (
        select(Model.id, FineTuningJob, DatasetVersion.train_rows)
        .join(FineTuningJob, FineTuningJob.id == Model.job_id)
        .outerjoin(DatasetVersion, DatasetVersion.id == Model.dataset_version_id)
        .where(Model.id.in_([model.id for model in models]))
    )
    found = (await session.execute(query)).all()
    job_ids = [job.id for _, job, _ in found]
    train = await list_last_losses(session, job_ids, "train_loss")
    valid = await list_last_losses(session, job_ids, "valid_loss")
    return {
        model_id: TuningFacts(
            job.training_file_id,
            rows,
            job.trained_tokens,
            job.cost_usd,
            train.get(job.id),
            valid.get(job.id),
            shorten_replay(job.replay),
        )
        for model_id, job, rows in found
    }


async def list_last_losses(session: AsyncSession, job_ids: Sequence[str], column: str) -> dict[str, float]:
    """Return the last value of a metric that each job was told."""
    value = getattr(FineTuningMetric, column)
    query = (
        select(FineTuningMetric.job_id, value)
        .where(FineTuningMetric.job_id.in_(job_ids), value.is_not(None))
        .ext(distinct_on(FineTuningMetric.job_id))
        .order_by(FineTuningMetric.job_id, FineTuningMetric.step.desc())
    )
    return {row[0]: row[1] for row in await session.execute(query)}


def shorten_replay(replay: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what was mixed without the list of every row."""
    return {name: value for name, value in replay.items() if name != "positions"} if replay else None


async def list_models_of_story(session: AsyncSession, project_id: str, story_id: str) -> list[dict[str, Any]]:
    """Return the project's models that were trained on a story: on a dataset that has it among its training rows, or
    by replay of such rows."""
    rows = select(DatasetRow.version_id, DatasetRow.position).where(
        or_(DatasetRow.story_id == story_id, DatasetRow.rejected_story_id == story_id), DatasetRow.split == "train"
    )
    places = [(version_id, position) for version_id, position in await session.execute(rows)]
    if not places:
        return []
    by_replay = [
        FineTuningJob.replay.contains({"positions": {version_id: [position]}}) for version_id, position in places
    ]
    query = (
        select(Model.name, Model.id, Model.job_id, Model.dataset_version_id, func.coalesce(or_(*by_replay), False))
        .join(FineTuningJob, FineTuningJob.id == Model.job_id)
        .where(Model.project_id == project_id)
        .where(or_(Model.dataset_version_id.in_([version_id for version_id, _ in places]), *by_replay))
        .order_by(Model.id)
    )
    return [
        {"model": name, "model_id": model_id, "job_id": job_id, "dataset_version": version, "by_replay": by_replay}
        for name, model_id, job_id, version, by_replay in await session.execute(query)
    ]
