"""`/v1/uploads…`, as OpenAI has them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO, Final

from fastapi import Request
from starlette.datastructures import UploadFile

from services.gateway.http.dependencies import Caller, ClaimDep, GatewayDep
from services.gateway.http.route import UploadRoute, keyed_router
from services.gateway.uploads.joining import complete_upload
from services.gateway.uploads.schemas import CompletionOfUpload, Upload, UploadPart, UploadRequest
from services.gateway.uploads.service import (
    begin_upload,
    cancel_upload,
    get_upload,
    shape_part,
    shape_upload,
    take_part,
)
from shared.errors import InvalidRequestError
from shared.http.answers import JsonAnswer

PART_PATHS: Final = "/v1/uploads/*/parts"
MAX_PART_BYTES: Final = 65 * 1024 * 1024
"""OpenAI's 64 MiB, and room for the form around it."""
PART_FORM: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["data"],
                    "properties": {"data": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}

router = keyed_router("uploads")
parts = keyed_router("uploads", UploadRoute)


@router.post("/uploads", summary="Begin an upload in parts", response_model=Upload)
async def create_upload(body: UploadRequest, gateway: GatewayDep, caller: Caller, claim: ClaimDep) -> JsonAnswer:
    """Announce a file. It takes parts for one hour."""
    if claim.subject_id is not None:
        return JsonAnswer(shape_upload(*await get_upload(gateway, caller, claim.subject_id)))
    return JsonAnswer(shape_upload(await begin_upload(gateway, caller, claim, body)))


@router.get("/uploads/{upload_id}", summary="Get an upload", response_model=Upload)
async def read_upload(upload_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return how an upload stands."""
    return JsonAnswer(shape_upload(*await get_upload(gateway, caller, upload_id)))


@parts.post("/uploads/{upload_id}/parts", summary="Add a part", response_model=UploadPart, openapi_extra=PART_FORM)
async def create_part(
    upload_id: str, request: Request, gateway: GatewayDep, caller: Caller, claim: ClaimDep
) -> JsonAnswer:
    """Keep a part of at most 64 MiB. Parts may come at once and in any order."""
    async with open_part(request) as content:
        part = await take_part(gateway, caller, claim, upload_id, content)
    return JsonAnswer(shape_part(part))


@router.post("/uploads/{upload_id}/complete", summary="Complete an upload", response_model=Upload)
async def finish_upload(upload_id: str, body: CompletionOfUpload, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Join the parts, in the order named here, into a file. Repeated, it answers the same."""
    return JsonAnswer(shape_upload(*await complete_upload(gateway, caller, upload_id, body)))


@router.post("/uploads/{upload_id}/cancel", summary="Cancel an upload", response_model=Upload)
async def stop_upload(upload_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """End an upload and drop its parts."""
    return JsonAnswer(shape_upload(await cancel_upload(gateway, caller, upload_id)))


@asynccontextmanager
async def open_part(request: Request) -> AsyncIterator[IO[bytes]]:
    """Yield a part's bytes; their spool is gone afterwards. Raises: InvalidRequestError when the body is no form, or
    its `data` is empty."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise InvalidRequestError("Send the part as a form: 'Content-Type: multipart/form-data'.", param="data")
    async with request.form(max_files=1, max_fields=1) as form:
        data = form.get("data")
        if not isinstance(data, UploadFile) or not data.size:
            raise InvalidRequestError("data: the form has no bytes of this name.", param="data")
        yield data.file
