"""Bodies of the upload routes: OpenAI's."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator

from services.gateway.files.schemas import File, Purpose
from services.gateway.files.upload import check_name
from services.gateway.http.request_body import RequestBody
from shared.errors import InvalidRequestError

MOST_PARTS = 4096
PartId = Annotated[str, Field(min_length=1, max_length=64)]


class UploadRequest(RequestBody):
    """What will come."""

    bytes: int = Field(ge=1)
    filename: str
    mime_type: str = Field(max_length=255)
    purpose: Purpose

    @field_validator("filename")
    @classmethod
    def _check_filename(cls, name: str) -> str:
        try:
            return check_name(name)
        except InvalidRequestError as error:
            raise ValueError(error.message) from error


class CompletionOfUpload(RequestBody):
    """The parts in their order."""

    part_ids: Annotated[list[PartId], Field(min_length=1, max_length=MOST_PARTS)]
    md5: str | None = Field(None, pattern=r"^[0-9a-fA-F]{32}$")


class Upload(BaseModel):
    """An upload; `file` once it is complete."""

    id: str
    object: Literal["upload"]
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["pending", "completed", "cancelled", "expired"]
    expires_at: int
    file: File | None


class UploadPart(BaseModel):
    """A part that arrived."""

    id: str
    object: Literal["upload.part"]
    created_at: int
    upload_id: str
