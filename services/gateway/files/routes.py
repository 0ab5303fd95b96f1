"""`/v1/files…`, as OpenAI has them.

The 2023 client asks for `/v1/files/{its local path, percent-encoded}` before it uploads, and goes on only after a 404
in our form: so an id may hold slashes, and the route with a suffix stands first."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import Depends, Query, Request
from fastapi.responses import Response
from starlette.concurrency import iterate_in_threadpool

from services.gateway.files.schemas import DeletedFile, File
from services.gateway.files.service import delete_file, get_file, keep_upload, list_files, require_room, shape_file
from services.gateway.files.upload import open_upload
from services.gateway.http.contents import BYTES
from services.gateway.http.dependencies import ID_PATTERN, Caller, ClaimDep, GatewayDep
from services.gateway.http.download import Download
from services.gateway.http.listings import ListPage
from services.gateway.http.route import UploadRoute, keyed_router
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.errors import NotFoundError
from shared.http.answers import JsonAnswer, list_body
from shared.stores.db import models
from shared.stores.db.repositories.pages import Page

UPLOAD_PATH: Final = "/v1/files"
MAX_PAGE: Final = 10_000
"""OpenAI's, and its default: the 2023 client knows no pages."""
UPLOAD_FORM: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {"file": {"type": "string", "format": "binary"}, "purpose": {"type": "string"}},
                }
            }
        },
    }
}

router = keyed_router("files")
uploads = keyed_router("files", UploadRoute)


def read_files_page(
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = MAX_PAGE,
    after: Annotated[str | None, Query(pattern=ID_PATTERN, description="The last id of the page before.")] = None,
    order: Annotated[str, Query(pattern="^(asc|desc)$")] = "desc",
) -> Page:
    """Return the page that a client asks for."""
    return Page(limit, after, order == "desc")


@uploads.post("/files", summary="Upload a file", response_model=File, openapi_extra=UPLOAD_FORM)
async def create_file(request: Request, gateway: GatewayDep, caller: Caller, claim: ClaimDep) -> JsonAnswer:
    """Keep a file. `purpose` may come before or after it."""
    if claim.subject_id is None:
        await require_room(gateway, caller, int(request.headers.get("content-length", 0)))
    async with open_upload(request) as upload:
        file = await keep_upload(gateway, caller, claim, upload)
    return JsonAnswer(shape_file(file))


@router.get("/files", summary="List files", response_model=ListPage[File])
async def read_files(
    gateway: GatewayDep,
    caller: Caller,
    page: Annotated[Page, Depends(read_files_page)],
    purpose: Annotated[str | None, Query(max_length=32)] = None,
) -> JsonAnswer:
    """Return the project's files, newest first unless asked otherwise."""
    found, has_more = await list_files(gateway, caller, page, purpose)
    return JsonAnswer(list_body([shape_file(file) for file in found], has_more=has_more))


@router.get(
    "/files/{file_id:path}/content",
    summary="Read a file",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": BYTES}}},
)
async def read_content(file_id: str, gateway: GatewayDep, caller: Caller) -> Download:
    """Return the bytes as they were uploaded."""
    return await send_file(gateway, caller, await get_file(gateway, caller, file_id))


@router.get("/files/{file_id:path}", summary="Get a file", response_model=File)
async def read_file(file_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return what is known of a file."""
    return JsonAnswer(shape_file(await get_file(gateway, caller, file_id)))


@router.delete("/files/{file_id:path}", summary="Delete a file", response_model=DeletedFile)
async def remove_file(file_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Delete a file. One that a dataset was made into stays."""
    return JsonAnswer(await delete_file(gateway, caller, file_id))


async def send_file(
    gateway: Gateway, caller: Principal, file: models.File, media_type: str = "application/octet-stream"
) -> Download:
    """Return an answer that streams a file's bytes. Raises: NotFoundError when they are gone from the store."""
    if not await asyncio.to_thread(gateway.objects.exists, file.sha256):
        raise NotFoundError(f"The bytes of '{file.id}' are not in the object store.", param="id")
    name = file.filename.replace("\\", "/").rsplit("/", 1)[-1]
    headers = {
        "content-length": str(file.bytes),
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
    }
    return Download(gateway, caller, read_pieces(gateway, file.sha256), media_type=media_type, headers=headers)


async def read_pieces(gateway: Gateway, sha256: str) -> AsyncGenerator[bytes, None]:
    """Yield an object's bytes; the store is read beside the loop."""
    async for piece in iterate_in_threadpool(gateway.objects.read_pieces(sha256)):
        yield piece
