"""Make the file of an upload out of its parts."""

import asyncio
import hashlib
import tempfile
from collections.abc import Sequence
from typing import IO, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.files.service import drop_bytes, keep_bytes
from services.gateway.uploads.schemas import CompletionOfUpload
from services.gateway.uploads.service import Found, get_upload, lock_pending, require_pending
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.errors import InvalidRequestError
from shared.stores.db.models import File, Upload, UploadPart
from shared.stores.db.repositories import files, uploads
from shared.stores.objects.object_store import ObjectStore, StoredObject

IN_MEMORY_BYTES: Final = 1 << 20


async def complete_upload(gateway: Gateway, caller: Principal, upload_id: str, request: CompletionOfUpload) -> Found:
    """Join the parts into a file. Done already: return what was made.

    Raises: NotFoundError, ConflictError, InvalidRequestError when parts, size or checksum do not fit."""
    found, made = await get_upload(gateway, caller, upload_id)
    if found.status == uploads.COMPLETED:
        return found, made
    require_pending(found)
    async with gateway.database.transaction() as session:
        parts = choose_parts(await uploads.list_parts(session, upload_id), request.part_ids, found.bytes)
    dropped: Sequence[str] = []

    async def record(session: AsyncSession, stored: StoredObject) -> tuple[Upload, File]:
        nonlocal dropped
        upload = await lock_pending(session, caller, upload_id)
        file = await files.add_file(
            session,
            project_id=caller.project_id,
            filename=upload.filename,
            purpose=upload.purpose,
            sha256=stored.sha256,
            size=stored.bytes,
        )
        dropped = await uploads.end_upload(session, upload_id, uploads.COMPLETED, file.id)
        await uploads.reload_upload(session, upload)
        return upload, file

    with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as joined:
        await asyncio.to_thread(join_parts, gateway.objects, parts, joined, request.md5)
        completed = await keep_bytes(gateway, joined, record)
    for sha256 in dropped:
        await drop_bytes(gateway, sha256)
    return completed


def choose_parts(known: dict[str, UploadPart], part_ids: Sequence[str], size: int) -> list[UploadPart]:
    """Return the parts in the client's order. Raises: InvalidRequestError for unknown or doubled parts, and for another
    size than was announced."""
    for part_id in part_ids:
        if part_id not in known:
            raise InvalidRequestError(f"part_ids: '{part_id}' is no part of this upload.", param="part_ids")
    if len(set(part_ids)) != len(part_ids):
        raise InvalidRequestError("part_ids: a part is named twice.", param="part_ids")
    parts = [known[part_id] for part_id in part_ids]
    total = sum(part.bytes for part in parts)
    if total != size:
        message = f"part_ids: the parts have {total} bytes, the upload was announced with {size}."
        raise InvalidRequestError(message, param="part_ids", code="upload_size_mismatch")
    return parts


def join_parts(objects: ObjectStore, parts: Sequence[UploadPart], target: IO[bytes], md5: str | None) -> None:
    """Copy the parts one behind the other. Raises: InvalidRequestError when the checksum is another."""
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        for piece in objects.read_pieces(part.sha256):
            digest.update(piece)
            target.write(piece)
    if md5 is not None and digest.hexdigest() != md5.lower():
        message = f"md5: the bytes that arrived have {digest.hexdigest()}."
        raise InvalidRequestError(message, param="md5", code="checksum_mismatch")
