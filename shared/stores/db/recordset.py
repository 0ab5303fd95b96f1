"""Many rows as one JSON parameter, unpacked in SQL by `json_to_recordset`: a batch costs one statement, and the
driver adapts one string instead of thousands of values."""

from collections.abc import Sequence
from decimal import Decimal

from shared.contracts.storable import encode_storable_json


def encode_rows(rows: Sequence[object]) -> str:
    """Return `rows` (dataclasses or mappings, one like the other) for `json_to_recordset(cast(:rows as json))`.
    Money travels as text: no float touches it. What Postgres cannot hold is replaced."""
    return encode_storable_json(rows, default=_encode).decode()


def _encode(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no column value")
