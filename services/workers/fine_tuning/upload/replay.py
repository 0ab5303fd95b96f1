"""Replay: part of the ancestors' training rows mixed into a job's training file, so that the child forgets less.

The choice is seeded: the same job mixes the same file, whoever does it and however often."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.fine_tuning.upload.row_choice import MixedFile, RowSource, mix_rows
from services.workers.process.context import WorkerContext
from services.workers.process.object_rows import Stored, write_with_objects
from shared.errors import InvalidRequestError
from shared.stores.db.models import File, FineTuningJob, Model
from shared.stores.db.repositories import files, replay

TRAINING: Final = "fine-tune"
MIXED: Final = "mixed.jsonl"


async def mix_replay(context: WorkerContext, job: FineTuningJob) -> str:
    """Return the id of the file to train on: the job's rows, and `job.replay["share"]` of the training rows of every
    ancestor, each row once, in an order drawn by the job's seed. Recorded in `job.replay` with the rows that were
    taken; a job that has its file keeps it. Without ancestors it is the training file itself.

    Raises: InvalidRequestError when a file that is needed was deleted.
    """
    asked = job.replay or {}
    if "file_id" in asked:
        return str(asked["file_id"])
    async with context.database.transaction() as session:
        new = await require_file(session, job.project_id, job.training_file_id)
        ancestors = await list_ancestor_files(session, job)
    if not ancestors:
        return job.training_file_id
    with TemporaryDirectory(prefix="storymill-replay-", ignore_cleanup_errors=True) as name:
        sources = [
            RowSource(await fetch(context, file, Path(name) / str(number)), 1.0 if number == 0 else asked["share"])
            for number, file in enumerate([new, *(file for _, file in ancestors)])
        ]
        mixed = await asyncio.to_thread(mix_rows, sources, job.seed or 0, Path(name) / MIXED)
        return await record(context, job, mixed, [model for model, _ in ancestors], Path(name) / MIXED)


async def list_ancestor_files(session: AsyncSession, job: FineTuningJob) -> list[tuple[Model, File]]:
    """Return the ancestors of the model to be, the nearest first, with what each was trained on. Raises:
    InvalidRequestError when such a file was deleted."""
    if job.parent_model_id is None:
        return []
    found = await replay.list_ancestor_files(session, job.parent_model_id)
    return [(model, await require_file(session, job.project_id, file_id)) for model, file_id in found]


async def require_file(session: AsyncSession, project_id: str, file_id: str) -> File:
    """Return a file. Raises: InvalidRequestError when it was deleted."""
    file = await files.find_file(session, project_id, file_id)
    if file is None:
        raise InvalidRequestError(f"The file '{file_id}' was deleted; its rows cannot be replayed.", code="file_gone")
    return file


async def fetch(context: WorkerContext, file: File, path: Path) -> Path:
    """Copy a file out of the store. Raises: InvalidRequestError when its bytes are gone."""
    try:
        await asyncio.to_thread(context.objects.fetch, file.sha256, path)
    except FileNotFoundError as error:
        raise InvalidRequestError(f"The bytes of '{file.id}' are not in the store.", code="file_gone") from error
    return path


async def record(
    context: WorkerContext, job: FineTuningJob, mixed: MixedFile, ancestors: Sequence[Model], path: Path
) -> str:
    """Make the mixed rows a file of the project and note on the job what is in it; return the file's id. When another
    worker was first, its file counts."""
    found: list[str] = []

    async def write(session: AsyncSession, stored: Stored) -> None:
        known = await replay.lock_replay(session, job.id)
        if "file_id" not in known:
            file = await files.add_file(
                session,
                project_id=job.project_id,
                filename=f"{job.id}_with_replay.jsonl",
                purpose=TRAINING,
                sha256=stored[MIXED].sha256,
                size=stored[MIXED].bytes,
            )
            known = {**known, **await describe(session, mixed, ancestors), "file_id": file.id}
            await replay.write_replay(session, job.id, known)
        found.append(known["file_id"])

    await write_with_objects(context, {MIXED: path}, write)
    return found[-1]


async def describe(session: AsyncSession, mixed: MixedFile, ancestors: Sequence[Model]) -> dict[str, Any]:
    """Return what was mixed: how many rows of whom, and which rows of which dataset versions (for lineage)."""
    taken = {model.name: len(starts) for model, starts in zip(ancestors, mixed.starts[1:], strict=True)}
    positions: dict[str, list[int]] = {}
    for model, starts in zip(ancestors, mixed.starts[1:], strict=True):
        if model.dataset_version_id is not None:
            found = await replay.find_positions(session, model.dataset_version_id, starts)
            positions[model.dataset_version_id] = sorted({*positions.get(model.dataset_version_id, []), *found})
    return {"new_rows": len(mixed.starts[0]), "replayed_rows": taken, "positions": positions}
