"""Reads a multipart upload as it comes: form fields in memory, the file straight to disk, in any order."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from services.engine.errors import InvalidRequestError, PayloadTooLargeError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # exists for type checkers only

FILE_FIELD = "file"
LONGEST_FIELD_BYTES = 4096
"""Of a form field: they are read into memory."""
MOST_FIELDS = 32
"""Of a form, beside the file."""


@dataclass
class Upload:
    """What came: the form's fields, and the file's name if there was a file."""

    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None


class UploadReader:
    """Parses one body; the file's bytes go to `target`.

    Raises: InvalidRequestError for a body that is no whole multipart form, holds two files, or too many or too long
    fields; PayloadTooLargeError for a file of more than `largest_bytes`.
    """

    def __init__(self, content_type: str, target: Path, largest_bytes: int) -> None:
        self._target = target
        self._largest_bytes = largest_bytes
        self._upload = Upload()
        self._output: IO[bytes] | None = None
        self._written = 0
        self._headers: dict[str, bytes] = {}
        self._header_name = self._header_value = b""
        self._field_name: str | None = None
        self._field_value = b""
        self._ended = False
        self._parser = MultipartParser(_read_boundary(content_type), self._callbacks())

    async def read(self, chunks: AsyncIterator[bytes]) -> Upload:
        """Consume the body and return what it held."""
        try:
            with self._target.open("wb") as self._output:
                async for chunk in chunks:
                    self._parser.write(chunk)
                self._parser.finalize()
        except FormParserError as error:
            raise InvalidRequestError(f"The multipart body is broken: {error}") from error
        if not self._ended:
            raise InvalidRequestError("The multipart body ends too early.")
        return self._upload

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_header_name,
            "on_header_value": self._add_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._headers = {}
        self._field_name, self._field_value = None, b""

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header_name.decode("latin-1").lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        self._field_name = _decode(options.get(b"name", b""))
        if self._field_name == FILE_FIELD and self._upload.filename is None:
            self._upload.filename = _decode(options.get(b"filename", b"")) or FILE_FIELD
        elif self._field_name == FILE_FIELD:
            raise InvalidRequestError("Send one file at a time.", param=FILE_FIELD)
        elif len(self._upload.fields) >= MOST_FIELDS:
            raise InvalidRequestError("The form has too many fields.")

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._field_name == FILE_FIELD:
            self._write(data[start:end])
            return
        self._field_value += data[start:end]
        if len(self._field_value) > LONGEST_FIELD_BYTES:
            raise InvalidRequestError(f"{self._field_name} is too long.", param=self._field_name)

    def _write(self, data: bytes) -> None:
        self._written += len(data)
        if self._written > self._largest_bytes:
            raise PayloadTooLargeError(
                f"The file is over the limit of {self._largest_bytes} bytes.", param=FILE_FIELD, code="file_too_large"
            )
        assert self._output is not None
        self._output.write(data)

    def _end_part(self) -> None:
        if self._field_name and self._field_name != FILE_FIELD:
            self._upload.fields[self._field_name] = _decode(self._field_value)

    def _end(self) -> None:
        self._ended = True


def _read_boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise InvalidRequestError("Send the file as multipart/form-data, with a boundary.", param=FILE_FIELD)
    boundary: bytes = options[b"boundary"]
    return boundary


def _decode(raw: bytes) -> str:
    """Names and fields come as UTF-8; what is not is kept readable."""
    return raw.decode("utf-8", errors="replace")
