"""A training's result file, plain or in base64, made ours: the lines of its table by column."""

import base64
import binascii
import csv
import io
from collections.abc import Iterator

from shared.contracts.storable import decode_text
from shared.outside.providers.border.json_values import BYTE_ORDER_MARK


def read_result_lines(content: bytes) -> Iterator[dict[str, str]] | None:
    """Return the lines of a provider's result file, up to one that cannot be read; None when it is no such table."""
    text = decode_table(content)
    return None if text is None else read_lines(text)


def read_lines(text: str) -> Iterator[dict[str, str]]:
    """Yield the lines of a table, up to one that cannot be read."""
    try:
        yield from csv.DictReader(io.StringIO(text))
    except csv.Error:
        return


def decode_table(content: bytes) -> str | None:
    """Return the text of a table that has a `step` column; one in base64 is decoded."""
    for candidate in (content, decode_base64(content)):
        text = decode_text((candidate or b"").removeprefix(BYTE_ORDER_MARK))
        header = text.partition("\n")[0].strip().split(",")
        if "step" in (name.strip().strip('"') for name in header):
            return text
    return None


def decode_base64(content: bytes) -> bytes | None:
    """Return what base64 stands for; None when it is none."""
    try:
        return base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error:
        return None
