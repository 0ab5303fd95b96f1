"""Many rows as one JSON parameter, unpacked in SQL by `json_to_recordset`: a batch costs one statement, and the
driver adapts one string instead of thousands of values."""

from collections.abc import Sequence
from decimal import Decimal

import orjson


def encode_rows(rows: Sequence[object]) -> str:
    """Return `rows` (dataclasses or mappings, one like the other) for `json_to_recordset(cast(:rows as json))`.
    Money travels as text: no float touches it."""
    return orjson.dumps(rows, default=_encode).decode()


def _encode(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no column value")


def without_nul(text: str) -> str:
    """Return `text` as Postgres can keep it: U+0000 is the one character that it cannot."""
    return text.replace("\x00", "\ufffd")
