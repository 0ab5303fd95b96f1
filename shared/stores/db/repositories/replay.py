"""What a job with replay mixes into its training file, and where its rows stand in dataset versions."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, any_, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import DatasetRow, FineTuningJob, Model
from shared.stores.db.repositories.registry import list_line


async def list_ancestor_files(session: AsyncSession, parent_model_id: str) -> list[tuple[Model, str]]:
    """Return a model and its ancestors, itself first, each with the id of the file that it was trained on: the rows
    that were its own, without those replayed to it."""
    parent = await session.get_one(Model, parent_model_id)
    line = await list_line(session, parent)
    query = select(FineTuningJob.id, FineTuningJob.training_file_id)
    found = await session.execute(query.where(FineTuningJob.id.in_([model.job_id for model in line])))
    files = {row[0]: row[1] for row in found}
    return [(model, files[model.job_id]) for model in line]


async def lock_replay(session: AsyncSession, job_id: str) -> dict[str, Any]:
    """Return what is known of a job's replay, locked until the commit."""
    query = select(FineTuningJob.replay).where(FineTuningJob.id == job_id).with_for_update()
    return await session.scalar(query) or {}


async def write_replay(session: AsyncSession, job_id: str, replay: dict[str, Any]) -> None:
    """Note on a job what was mixed."""
    await session.execute(update(FineTuningJob).where(FineTuningJob.id == job_id).values(replay=replay))


async def find_positions(session: AsyncSession, version_id: str, starts: Sequence[int]) -> list[int]:
    """Return the places in a dataset version of the training rows that begin at these bytes of its file."""
    query = select(DatasetRow.position).where(
        DatasetRow.version_id == version_id,
        DatasetRow.split == "train",
        DatasetRow.byte_start == any_(literal(list(starts), ARRAY(BigInteger))),
    )
    return list((await session.scalars(query)).all())
