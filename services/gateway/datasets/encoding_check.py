"""Asks back about files whose encoding nobody can tell: before a dataset is ordered, not after it has failed."""

import asyncio
import gzip
import re
import zlib
from typing import IO, Final

from services.gateway.datasets.schemas import DatasetRequest, FileSource
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.errors import InvalidRequestError
from shared.stores.db.models import File
from shared.stores.db.repositories import files
from shared.texts.file_encoding import Reading, describe_unclear, detect_encoding, find_codec

SAMPLE_BYTES: Final = 1 << 20
GZIP: Final = b"\x1f\x8b"
NO_TEXT: Final = (b"PK\x03\x04", b"PAR1", b"ARROW1", b"\xff\xff\xff\xff", b"\xd0\xcf\x11\xe0")
"""How tables begin that are no text: their readers know their encoding."""
CONTROLS: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""What stands in no text that one would be asked about: the preparation says what the file is."""


class UnclearEncodingError(InvalidRequestError):
    """Several encodings of a file are about as likely: its owner must name one. The message quotes each."""

    default_code = "encoding_unclear"

    def __init__(self, filename: str, candidates: tuple[Reading, ...], param: str) -> None:
        super().__init__(describe_unclear(filename, candidates, '"encoding":'), param=param)


async def require_clear_encodings(gateway: Gateway, caller: Principal, request: DatasetRequest) -> None:
    """Pass when each file is in an encoding that was named or can be told. Files that are not there are for others to
    refuse. Raises: InvalidRequestError for a name of none, UnclearEncodingError where several are as likely."""
    for position, source in enumerate(request.sources):
        if not isinstance(source, FileSource):
            continue
        param = f"sources.{position}.encoding"
        if source.encoding is not None:
            require_codec(source.encoding, param)
            continue
        async with gateway.database.transaction() as session:
            file = await files.find_file(session, caller.project_id, source.file)
        sample = await asyncio.to_thread(read_sample, gateway, file) if file else b""
        if sample.isascii() or sample.startswith(NO_TEXT) or CONTROLS.search(sample):
            continue
        found = await gateway.computing.run(caller.project_id, detect_encoding, sample)
        if file and found.candidates:
            raise UnclearEncodingError(file.filename, found.candidates, param)


def require_codec(name: str, param: str) -> None:
    """Pass when there is such an encoding. Raises: InvalidRequestError where there is none."""
    try:
        find_codec(name)
    except LookupError as error:
        raise InvalidRequestError(str(error.args[0]), param=param) from error


def read_sample(gateway: Gateway, file: File) -> bytes:
    """Return how a file begins, unpacked; nothing where it cannot be read, which the preparation will say."""
    try:
        with gateway.objects.open(file.sha256) as raw:
            return _unpack(raw) if raw.read(len(GZIP)) == GZIP else _begin(raw)
    except (OSError, EOFError, zlib.error):
        return b""


def _unpack(raw: IO[bytes]) -> bytes:
    raw.seek(0)
    with gzip.GzipFile(fileobj=raw) as unpacked:
        return unpacked.read(SAMPLE_BYTES)


def _begin(raw: IO[bytes]) -> bytes:
    raw.seek(0)
    return raw.read(SAMPLE_BYTES)
