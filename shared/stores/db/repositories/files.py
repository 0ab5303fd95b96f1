"""Files: names for objects of the store. Rows are written after the bytes and marked deleted before them."""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import exists, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.stores.db.models import Dataset, DatasetVersion, File, FineTuningJob, UploadPart
from shared.stores.db.repositories.pages import Page, fetch_page

PROCESSED: Final = "processed"
DELETED: Final = "deleted"
"""The row stays: jobs, models and uploads that were made of the file go on naming it."""


async def add_file(
    session: AsyncSession, *, project_id: str, filename: str, purpose: str, sha256: str, size: int
) -> File:
    """Insert a file whose bytes are in the store; hold `lock_content` and look that they are."""
    file = File(
        id=ids.new_id(ids.FILE),
        project_id=project_id,
        filename=filename,
        purpose=purpose,
        bytes=size,
        sha256=sha256,
        status=PROCESSED,
    )
    session.add(file)
    await session.flush()
    await session.refresh(file)
    return file


async def lock_content(session: AsyncSession, sha256s: Collection[str]) -> None:
    """Until the end of the transaction nobody else names or drops these objects."""
    for sha256 in sorted(set(sha256s)):
        await session.execute(text("select pg_advisory_xact_lock(hashtextextended(:sha256, 0))"), {"sha256": sha256})


async def is_named(session: AsyncSession, sha256: str) -> bool:
    """Say whether any file, or any part of an upload, of any project, is made of this object."""
    by_file = exists().where(File.sha256 == sha256, File.status != DELETED)
    by_part = exists().where(UploadPart.sha256 == sha256)
    return bool(await session.scalar(select(or_(by_file, by_part))))


async def find_named(session: AsyncSession, sha256s: Collection[str]) -> set[str]:
    """Return those of the objects that `is_named` holds for."""
    by_file = select(File.sha256).where(File.sha256.in_(sha256s), File.status != DELETED)
    by_part = select(UploadPart.sha256).where(UploadPart.sha256.in_(sha256s))
    return set((await session.scalars(by_file.union(by_part))).all())


async def find_file(session: AsyncSession, project_id: str, file_id: str) -> File | None:
    """Return a file of the project."""
    query = select(File).where(File.id == file_id, File.project_id == project_id, File.status != DELETED)
    return (await session.scalars(query)).one_or_none()


async def hold_file(session: AsyncSession, project_id: str, file_id: str) -> File | None:
    """Return a file of the project that nobody can delete until the end of the transaction."""
    query = select(File).where(File.id == file_id, File.project_id == project_id, File.status != DELETED)
    return (await session.scalars(query.with_for_update(read=True, key_share=True))).one_or_none()


async def list_named(session: AsyncSession, file_ids: Collection[str]) -> dict[str, File]:
    """Return files by id, also those that were deleted since."""
    found = await session.scalars(select(File).where(File.id.in_(set(file_ids))))
    return {file.id: file for file in found}


async def list_files(
    session: AsyncSession, project_id: str, page: Page, *, purpose: str | None = None
) -> tuple[Sequence[File], bool]:
    """Return a page of a project's files and whether there is more."""
    query = select(File).where(File.project_id == project_id, File.status != DELETED)
    if purpose is not None:
        query = query.where(File.purpose == purpose)
    return await fetch_page(session, query, File.id, page)


async def find_dataset_of_file(session: AsyncSession, file_id: str) -> str | None:
    """Return a dataset that was made into this file: such a file cannot be deleted."""
    made = or_(DatasetVersion.train_file_id == file_id, DatasetVersion.validation_file_id == file_id)
    by_rows = select(Dataset.id).join(DatasetVersion, DatasetVersion.id == Dataset.version_id).where(made)
    by_report = select(Dataset.id).where(Dataset.report_file_id == file_id)
    # Two look-ups, each by its index: one condition over both tables would read a table whole.
    return (await session.scalars(by_rows.union_all(by_report).limit(1))).one_or_none()


async def find_job_of_file(session: AsyncSession, file_id: str) -> str | None:
    """Return an open fine-tuning job that needs this file: such a file cannot be deleted before the job's end."""
    query = (
        select(FineTuningJob.id)
        .where(
            or_(FineTuningJob.training_file_id == file_id, FineTuningJob.validation_file_id == file_id),
            FineTuningJob.step != "done",
        )
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


async def lock_file(session: AsyncSession, project_id: str, file_id: str) -> File | None:
    """Return a file that is about to be deleted; waits for whoever holds it."""
    query = select(File).where(File.id == file_id, File.project_id == project_id, File.status != DELETED)
    return (await session.scalars(query.with_for_update())).one_or_none()


async def delete_file(session: AsyncSession, project_id: str, file_id: str) -> str | None:
    """Mark a file as deleted; return the hash of its object, None when the project has no such file."""
    statement = (
        update(File)
        .where(File.id == file_id, File.project_id == project_id, File.status != DELETED)
        .values(status=DELETED)
        .returning(File.sha256)
    )
    return (await session.scalars(statement)).one_or_none()
