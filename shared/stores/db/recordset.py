"""Many rows as one JSON parameter, unpacked in SQL by `json_to_recordset`: a batch costs one statement, and the
driver adapts one string instead of thousands of values."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Protocol

from shared.contracts.storable import encode_storable_json


def encode_rows(rows: Sequence[object]) -> str:
    """Return `rows` (dataclasses or mappings, one like the other) for `json_to_recordset(cast(:rows as json))`.
    Money travels as text: no float touches it. What Postgres cannot hold is replaced."""
    return encode_storable_json(rows, default=_encode).decode()


class Claimed(Protocol):
    """A row that is ours as `attempt`."""

    @property
    def id(self) -> str:
        """The row's."""

    @property
    def attempt(self) -> int:
        """The number of the claim that we hold it by."""


def list_keys(claimed: Sequence[Claimed]) -> dict[str, list[str] | list[int]]:
    """Return ids and attempts as the parameters `ids` and `attempts`, for HELD."""
    return {"ids": [row.id for row in claimed], "attempts": [row.attempt for row in claimed]}


HELD: Final = "unnest(cast(:ids as text[]), cast(:attempts as int[])) as held (id, attempt)"
"""The rows of `list_keys` as a table."""


def _encode(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no column value")
