"""Uploads in parts. The parts' rows go when the upload ends, and with them what keeps their bytes."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.clock import utc_now
from shared.stores.db.models import Upload, UploadPart

PENDING: Final = "pending"
COMPLETED: Final = "completed"
CANCELLED: Final = "cancelled"
EXPIRED: Final = "expired"


async def add_upload(
    session: AsyncSession,
    *,
    project_id: str,
    filename: str,
    purpose: str,
    mime_type: str,
    size: int,
    expires_at: datetime,
) -> Upload:
    """Insert an upload that waits for its parts."""
    upload = Upload(
        id=ids.new_id(ids.UPLOAD),
        project_id=project_id,
        filename=filename,
        purpose=purpose,
        mime_type=mime_type,
        bytes=size,
        status=PENDING,
        expires_at=expires_at,
    )
    session.add(upload)
    await session.flush()
    await session.refresh(upload)
    return upload


async def find_upload(session: AsyncSession, project_id: str, upload_id: str) -> Upload | None:
    """Return an upload of the project."""
    query = select(Upload).where(Upload.id == upload_id, Upload.project_id == project_id)
    return (await session.scalars(query)).one_or_none()


async def lock_upload(session: AsyncSession, project_id: str, upload_id: str) -> Upload | None:
    """Return an upload that nobody else changes until the end of the transaction."""
    query = select(Upload).where(Upload.id == upload_id, Upload.project_id == project_id)
    return (await session.scalars(query.with_for_update())).one_or_none()


async def add_part(session: AsyncSession, upload_id: str, *, size: int, sha256: str) -> UploadPart:
    """Insert a part whose bytes are in the store; hold `files.lock_content` and look that they are."""
    part = UploadPart(id=ids.new_id(ids.UPLOAD_PART), upload_id=upload_id, bytes=size, sha256=sha256)
    session.add(part)
    await session.flush()
    await session.refresh(part)
    return part


async def sum_part_bytes(session: AsyncSession, upload_id: str) -> int:
    """Return how many bytes the parts of an upload have so far."""
    total = select(func.coalesce(func.sum(UploadPart.bytes), 0)).where(UploadPart.upload_id == upload_id)
    return int(await session.scalar(total) or 0)


async def find_part(session: AsyncSession, part_id: str) -> UploadPart | None:
    """Return a part of any upload and project; None when there is none such."""
    return await session.get(UploadPart, part_id)


async def list_parts(session: AsyncSession, upload_id: str) -> dict[str, UploadPart]:
    """Return the parts of an upload by id."""
    found = await session.scalars(select(UploadPart).where(UploadPart.upload_id == upload_id))
    return {part.id: part for part in found}


async def end_upload(session: AsyncSession, upload_id: str, status: str, file_id: str | None = None) -> Sequence[str]:
    """End a pending upload and forget its parts; return the hashes of their objects, which may be dropped now."""
    values = {"status": status, "file_id": file_id}
    await session.execute(update(Upload).where(Upload.id == upload_id, Upload.status == PENDING).values(values))
    gone = delete(UploadPart).where(UploadPart.upload_id == upload_id).returning(UploadPart.sha256)
    return sorted(set((await session.scalars(gone)).all()))


async def lock_overdue_uploads(session: AsyncSession, limit: int) -> Collection[str]:
    """Return pending uploads whose time is over, for the one caller that gets to end them."""
    query = (
        select(Upload.id)
        .where(Upload.status == PENDING, Upload.expires_at < utc_now())
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await session.scalars(query)).all()


async def reload_upload(session: AsyncSession, upload: Upload) -> None:
    """Read the row again, after a statement that changed it."""
    await session.refresh(upload)
