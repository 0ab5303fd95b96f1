"""Take a file in parts: begin, add, cancel. `joining` makes the file."""

from datetime import timedelta
from typing import IO, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.files.service import drop_bytes, keep_bytes, shape_file
from services.gateway.http.idempotency import KeyClaim
from services.gateway.limits.quotas import require_quota
from services.gateway.uploads.schemas import UploadRequest
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.bounds import setting_of
from shared.clock import unix_seconds, utc_now
from shared.errors import ConflictError, InvalidRequestError, NotFoundError, RequestTooLargeError
from shared.http.answers import Json
from shared.stores.db.models import File, Upload, UploadPart
from shared.stores.db.repositories import files, uploads
from shared.stores.objects.object_store import StoredObject

LIFETIME: Final = timedelta(hours=1)
"""OpenAI's."""

Found = tuple[Upload, File | None]


async def begin_upload(gateway: Gateway, caller: Principal, claim: KeyClaim, request: UploadRequest) -> Upload:
    """Record that a file will come. Raises: RequestTooLargeError when it is announced larger than a file may be,
    RateLimitedError when the project may not have so much."""
    most = gateway.bounds.now.max_file_bytes
    if request.bytes > most:
        message = f"bytes: a file may have {most} bytes ({setting_of('max_file_bytes')})."
        raise RequestTooLargeError(message, param="bytes")
    async with gateway.database.transaction() as session:
        await require_quota(session, gateway, caller, max_open_uploads=1, max_files=1, max_stored_bytes=request.bytes)
        upload = await uploads.add_upload(
            session,
            project_id=caller.project_id,
            filename=request.filename,
            purpose=request.purpose,
            mime_type=request.mime_type,
            size=request.bytes,
            expires_at=utc_now() + LIFETIME,
        )
        await claim.bind(session, upload.id)
    return upload


async def get_upload(gateway: Gateway, caller: Principal, upload_id: str) -> Found:
    """Return an upload and the file that it made. Raises: NotFoundError, also for another project's."""
    async with gateway.database.transaction() as session:
        upload = await uploads.find_upload(session, caller.project_id, upload_id)
        if upload is None:
            raise upload_not_found(upload_id)
        made = await files.list_named(session, [upload.file_id]) if upload.file_id else {}
    return upload, made.get(upload.file_id or "")


async def take_part(
    gateway: Gateway, caller: Principal, claim: KeyClaim, upload_id: str, content: IO[bytes]
) -> UploadPart:
    """Keep a part. Raises: NotFoundError, ConflictError, InvalidRequestError beyond the announced size."""
    if claim.subject_id is not None:
        return await get_part(gateway, claim.subject_id)
    require_pending((await get_upload(gateway, caller, upload_id))[0])

    async def record(session: AsyncSession, stored: StoredObject) -> UploadPart:
        upload = await lock_pending(session, caller, upload_id)
        if await uploads.sum_part_bytes(session, upload_id) + stored.bytes > upload.bytes:
            message = f"data: the parts would come to more than the announced {upload.bytes} bytes."
            raise InvalidRequestError(message, param="data", code="upload_too_large")
        part = await uploads.add_part(session, upload_id, size=stored.bytes, sha256=stored.sha256)
        await claim.bind(session, part.id)
        return part

    return await keep_bytes(gateway, content, record)


async def get_part(gateway: Gateway, part_id: str) -> UploadPart:
    """Return a part. Raises: NotFoundError when its upload has ended."""
    async with gateway.database.transaction() as session:
        part = await uploads.find_part(session, part_id)
    if part is None:
        raise NotFoundError(f"No such part: {part_id}", param="id")
    return part


async def cancel_upload(gateway: Gateway, caller: Principal, upload_id: str) -> Upload:
    """End an upload and drop its parts. Cancelled already: nothing happens. Raises: NotFoundError when the project has
    none such, ConflictError when it is completed or expired."""
    async with gateway.database.transaction() as session:
        upload = await uploads.lock_upload(session, caller.project_id, upload_id)
        if upload is None:
            raise upload_not_found(upload_id)
        if upload.status == uploads.CANCELLED:
            return upload
        require_pending(upload)
        dropped = await uploads.end_upload(session, upload_id, uploads.CANCELLED)
        await uploads.reload_upload(session, upload)
    for sha256 in dropped:
        await drop_bytes(gateway, sha256)
    return upload


async def lock_pending(session: AsyncSession, caller: Principal, upload_id: str) -> Upload:
    """Return the upload, locked and still waiting. Raises: NotFoundError when the project has none such, ConflictError
    when it is over."""
    upload = await uploads.lock_upload(session, caller.project_id, upload_id)
    if upload is None:
        raise upload_not_found(upload_id)
    require_pending(upload)
    return upload


def require_pending(upload: Upload) -> None:
    """Pass when an upload takes parts. Raises: ConflictError when it is completed, cancelled or expired."""
    status = read_status(upload)
    if status != uploads.PENDING:
        raise ConflictError(f"The upload is {status}.", param="id", code=f"upload_{status}")


def read_status(upload: Upload) -> str:
    """Return the status as of now: the reaper may not have been by yet."""
    is_over = upload.status == uploads.PENDING and upload.expires_at < utc_now()
    return uploads.EXPIRED if is_over else upload.status


def upload_not_found(upload_id: str) -> NotFoundError:
    """Return the same refusal for an upload that never was and for another project's."""
    return NotFoundError(f"No such upload: {upload_id}", param="id")


def shape_upload(upload: Upload, file: File | None = None) -> Json:
    """Return OpenAI's upload object."""
    return {
        "id": upload.id,
        "object": "upload",
        "bytes": upload.bytes,
        "created_at": unix_seconds(upload.created_at),
        "filename": upload.filename,
        "purpose": upload.purpose,
        "status": read_status(upload),
        "expires_at": unix_seconds(upload.expires_at),
        "file": shape_file(file) if file else None,
    }


def shape_part(part: UploadPart) -> Json:
    """Return OpenAI's part object."""
    return {
        "id": part.id,
        "object": "upload.part",
        "created_at": unix_seconds(part.created_at),
        "upload_id": part.upload_id,
    }
