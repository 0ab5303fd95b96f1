"""/v1/files: upload, list, describe, download, delete."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse

from services.engine.errors import InvalidRequestError, NotFoundError, PayloadTooLargeError
from services.engine.files import StoredFile
from services.engine.idempotency import HEADER, IdempotencyKey, read_key
from services.engine.routes.pages import describe_page
from services.engine.routes.upload import Upload, UploadReader
from services.engine.training.service import TrainingService

router = APIRouter()

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
"""What clients may upload; `fine-tune-results` and `batch_output` are written by servers only."""
SHORTEST_LIFETIME_SECONDS = 3600
LONGEST_LIFETIME_SECONDS = 30 * 24 * 3600
FORM_BYTES = 64 * 1024
"""Room for the form around the file."""


def get_training(request: Request) -> TrainingService:
    """Return the application's training service; a FastAPI dependency."""
    training: TrainingService = request.app.state.training
    return training


TrainingDependency = Annotated[TrainingService, Depends(get_training)]


@router.post("/v1/files")
async def upload_file(request: Request, training: TrainingDependency) -> dict[str, Any]:
    """Store a file. Its bytes go to disk as they come; `purpose` may come before or after them.

    Sent again with the same Idempotency-Key it is read again, and the answer is the first file.
    """
    limit = training.settings.file_bytes
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit + FORM_BYTES:
        raise PayloadTooLargeError(f"The file is over the limit of {limit} bytes.", param="file", code="file_too_large")
    target = training.files.start_upload()
    try:
        reader = UploadReader(request.headers.get("content-type", ""), target, limit)
        upload = await reader.read(request.stream())
        if upload.filename is None:
            raise InvalidRequestError("'file' is a required property.", param="file")
        purpose, lifetime = _read_purpose(upload.fields), _read_lifetime(upload.fields)
        key = await asyncio.to_thread(_read_key, request, target, upload)
        stored = await asyncio.to_thread(training.files.add, target, upload.filename, purpose, lifetime, key)
    finally:
        target.unlink(missing_ok=True)
    return stored.to_json()


@router.get("/v1/files")
def list_files(
    training: TrainingDependency,
    purpose: str | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Literal["asc", "desc"] = "desc",
) -> dict[str, Any]:
    """The files, newest first."""
    found = training.files.list(purpose=purpose, after=after, limit=limit + 1, order=order)
    return describe_page([file.to_json() for file in found], limit)


# Before the plain one: ids may hold slashes, since old clients ask for local paths as if they were ids.
@router.get("/v1/files/{file_id:path}/content")
def download_file(file_id: str, training: TrainingDependency) -> FileResponse:
    """The file's bytes."""
    stored = _get(training, file_id)
    return FileResponse(
        training.files.path_of(stored.id), media_type="application/octet-stream", filename=stored.filename
    )


@router.get("/v1/files/{file_id:path}")
def retrieve_file(file_id: str, training: TrainingDependency) -> dict[str, Any]:
    """One file's description."""
    return _get(training, file_id).to_json()


@router.delete("/v1/files/{file_id:path}")
def delete_file(file_id: str, training: TrainingDependency) -> dict[str, Any]:
    """Delete a file; jobs that were created with it are not disturbed."""
    if not training.files.delete(file_id):
        raise _not_found(file_id)
    return {"id": file_id, "object": "file", "deleted": True}


def _get(training: TrainingService, file_id: str) -> StoredFile:
    stored = training.files.find(file_id)
    if stored is None:
        raise _not_found(file_id)
    return stored


def _read_key(request: Request, target: Path, upload: Upload) -> IdempotencyKey | None:
    if HEADER not in request.headers:
        return None
    with target.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    asked_for = json.dumps([content, upload.filename, upload.fields], sort_keys=True)
    return read_key(request.headers, "file", asked_for.encode())


def _not_found(file_id: str) -> NotFoundError:
    return NotFoundError(f"No such File object: {file_id}", param="id")


def _read_purpose(fields: Mapping[str, str]) -> str:
    purpose = fields.get("purpose")
    if purpose is None:
        raise InvalidRequestError("'purpose' is a required property.", param="purpose")
    if purpose not in PURPOSES:
        message = f"{purpose!r} is not one of {', '.join(PURPOSES)}."
        raise InvalidRequestError(message, param="purpose", code="invalid_purpose")
    return purpose


def _read_lifetime(fields: Mapping[str, str]) -> int | None:
    anchor, seconds = fields.get("expires_after[anchor]"), fields.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at":
        raise InvalidRequestError("expires_after[anchor] must be 'created_at'.", param="expires_after")
    good = seconds is not None and seconds.isdecimal()
    if not good or not SHORTEST_LIFETIME_SECONDS <= int(seconds or 0) <= LONGEST_LIFETIME_SECONDS:
        bounds = f"{SHORTEST_LIFETIME_SECONDS} to {LONGEST_LIFETIME_SECONDS}"
        raise InvalidRequestError(f"expires_after[seconds] must be {bounds}.", param="expires_after")
    return int(seconds or 0)
