"""The form of an upload: `purpose` and `file` in any order, spooled to disk while it comes in."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, Final

from starlette.datastructures import UploadFile
from starlette.requests import Request

from services.gateway.files.schemas import PURPOSES
from shared.contracts.storable import holds_nul, make_storable_text
from shared.errors import InvalidRequestError

LONGEST_NAME: Final = 512
MAX_FIELDS: Final = 16
"""`purpose`, `expires_after[…]` and room for what clients add."""


@dataclass(frozen=True, slots=True)
class UploadedForm:
    """A form that was read; `content` stands at its beginning."""

    filename: str
    purpose: str
    content: IO[bytes]


@asynccontextmanager
async def open_upload(request: Request) -> AsyncIterator[UploadedForm]:
    """Yield the form; its spool is gone afterwards. Raises: InvalidRequestError that names what is missing."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise InvalidRequestError("Send the file as a form: 'Content-Type: multipart/form-data'.", param="file")
    async with request.form(max_files=1, max_fields=MAX_FIELDS) as form:
        file, purpose = form.get("file"), form.get("purpose")
        if not isinstance(file, UploadFile):
            raise InvalidRequestError("file: the form has no file of this name.", param="file")
        if not file.size:
            raise InvalidRequestError("file: it is empty.", param="file")
        if not isinstance(purpose, str) or purpose not in PURPOSES:
            raise InvalidRequestError(f"purpose: give one of {', '.join(PURPOSES)}.", param="purpose")
        yield UploadedForm(check_name(file.filename), purpose, file.file)


def check_name(name: str | None) -> str:
    """Return the name as it is kept: old clients send the path as it was typed, of which only the last part says what
    the file is. Raises: InvalidRequestError when there is none, or it is too long."""
    if not name or not (last := re.split(r"[/\\]", name)[-1]) or len(name) > LONGEST_NAME or holds_nul(name):
        raise InvalidRequestError(f"file: it needs a name of at most {LONGEST_NAME} characters.", param="file")
    return make_storable_text(last)
