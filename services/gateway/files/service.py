"""Keep, find and delete files."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import IO, Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.files.upload import UploadedForm
from services.gateway.http.idempotency import KeyClaim
from services.gateway.limits.quotas import require_quota
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.clock import unix_seconds
from shared.errors import ConflictError, NotFoundError
from shared.http.answers import Json
from shared.stores.db.models import File
from shared.stores.db.repositories import files
from shared.stores.db.repositories.batches import find_open_batch_of_file
from shared.stores.db.repositories.pages import Page
from shared.stores.objects.object_store import StoredObject

PUT_TRIES: Final = 3

Row = TypeVar("Row")


async def require_room(gateway: Gateway, caller: Principal, announced_bytes: int) -> None:
    """Pass when the project may have one file more. Raises: RateLimitedError, before the file is taken in."""
    async with gateway.database.transaction() as session:
        await require_quota(session, gateway, caller, max_files=1, max_stored_bytes=announced_bytes)


async def keep_upload(gateway: Gateway, caller: Principal, claim: KeyClaim, upload: UploadedForm) -> File:
    """Store the bytes, then record the file."""
    if claim.subject_id is not None:
        return await get_file(gateway, caller, claim.subject_id)

    async def record(session: AsyncSession, stored: StoredObject) -> File:
        await require_quota(session, gateway, caller, max_files=1, max_stored_bytes=stored.bytes)
        file = await files.add_file(
            session,
            project_id=caller.project_id,
            filename=upload.filename,
            purpose=upload.purpose,
            sha256=stored.sha256,
            size=stored.bytes,
        )
        await claim.bind(session, file.id)
        return file

    return await keep_bytes(gateway, upload.content, record)


async def keep_bytes(
    gateway: Gateway, content: IO[bytes], record: Callable[[AsyncSession, StoredObject], Awaitable[Row]]
) -> Row:
    """Put bytes into the store and name them in the transaction that `record` is given. Raises: ConflictError when a
    deletion of the same content comes in between at every try."""
    for _ in range(PUT_TRIES):
        content.seek(0)
        stored = await asyncio.to_thread(gateway.objects.put, content)
        async with gateway.database.transaction() as session:
            await files.lock_content(session, [stored.sha256])
            # Somebody may have deleted the last file of the same content just now, and the object with it.
            if await asyncio.to_thread(gateway.objects.exists, stored.sha256):
                return await record(session, stored)
    raise ConflictError("The same content is being deleted again and again. Try later.", param="file")


async def drop_bytes(gateway: Gateway, sha256: str) -> None:
    """Remove an object that nothing names any more."""
    async with gateway.database.transaction() as session:
        await files.lock_content(session, [sha256])
        if not await files.is_named(session, sha256):
            await asyncio.to_thread(gateway.objects.remove, sha256)


async def get_file(gateway: Gateway, caller: Principal, file_id: str) -> File:
    """Return a file. Raises: NotFoundError, also for another project's."""
    async with gateway.database.transaction() as session:
        file = await files.find_file(session, caller.project_id, file_id)
    if file is None:
        raise file_not_found(file_id)
    return file


def file_not_found(file_id: str) -> NotFoundError:
    """Return OpenAI's error: the 2023 client goes on to upload after it."""
    return NotFoundError(f"No such File object: {file_id}", param="id")


async def list_files(
    gateway: Gateway, caller: Principal, page: Page, purpose: str | None
) -> tuple[Sequence[File], bool]:
    """Return a page of files. Raises: NotFoundError for a cursor that is not there."""
    if page.after is not None:
        await get_file(gateway, caller, page.after)
    async with gateway.database.transaction() as session:
        return await files.list_files(session, caller.project_id, page, purpose=purpose)


async def delete_file(gateway: Gateway, caller: Principal, file_id: str) -> Json:
    """Delete a file, and its bytes if nothing else is made of them.

    Raises: NotFoundError, ConflictError for a file that a dataset version is made of or an open job needs."""
    async with gateway.database.transaction() as session:
        file = await files.lock_file(session, caller.project_id, file_id)
        if file is None:
            raise file_not_found(file_id)
        await refuse_used(session, file_id)
        await files.delete_file(session, caller.project_id, file_id)
    await drop_bytes(gateway, file.sha256)
    return {"id": file_id, "object": "file", "deleted": True}


async def refuse_used(session: AsyncSession, file_id: str) -> None:
    """Pass when a file may be deleted. Raises: ConflictError when a dataset, an open batch or job holds it."""
    dataset_id = await files.find_dataset_of_file(session, file_id)
    if dataset_id is not None:
        raise ConflictError(f"The file belongs to dataset '{dataset_id}', which never changes.", param="id")
    job_id = await files.find_job_of_file(session, file_id)
    batch_id = await find_open_batch_of_file(session, file_id)
    if batch_id is not None:
        message = f"The file is in use by the batch '{batch_id}'. Cancel the batch, or wait for its end."
        raise ConflictError(message, param="id", code="file_in_use")
    if job_id is not None:
        message = f"The file is in use by the fine-tuning job '{job_id}'. Cancel the job, or wait for its end."
        raise ConflictError(message, param="id", code="file_in_use")


def shape_file(file: File) -> Json:
    """Return OpenAI's file object."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": unix_seconds(file.created_at),
        "filename": file.filename,
        "purpose": file.purpose,
        "status": file.status,
        "status_details": None,
    }
