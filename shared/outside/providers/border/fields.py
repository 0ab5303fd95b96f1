"""Fields of a provider's JSON objects, of the type that they should have, or None: the primitives of every reader."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from shared.contracts.storable import cut_text, encode_storable_json, is_storable_text

LONGEST_NAME_CHARACTERS: Final = 200
"""Of models, requests, codes as answers tell them; longer ones are cut."""
LONGEST_ASKED_CHARACTERS: Final = 512
"""Of a name that we ask by later, which cannot be cut."""
LARGEST_WHOLE: Final = 2**62
"""What our widest integer columns hold, with room for sums."""
LATEST_SECONDS: Final = 1e11
"""The year 5138: what a time in milliseconds would be after."""


def find_text(value: Mapping[str, Any], name: str, most_characters: int | None = None) -> str | None:
    """Return a field that is a text with something in it, cut."""
    found = value.get(name)
    if not isinstance(found, str) or not found:
        return None
    return found if most_characters is None else cut_text(found, most_characters)


def spell_field(value: Mapping[str, Any], name: str, most_characters: int) -> str | None:
    """Return a field that should be a text, as one whatever it is, cut; None for null, nothing and empty things."""
    found = value.get(name)
    if found is None or (type(found) is str and 0 < len(found) <= most_characters):
        return found  # read by `read_object`, so it can be stored: this is every chunk of every stream
    return spell_value(found, most_characters)


def spell_value(value: Any, most_characters: int) -> str | None:
    """Return any JSON value as a text, cut; None for null and empty things."""
    if value is None or value in ("", [], {}):
        return None
    return cut_text(value if isinstance(value, str) else encode_storable_json(value).decode(), most_characters)


def find_name(value: object) -> str | None:
    """Return the name of a thing that can be asked for: kept whole or not at all. Numbers are names, too."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) <= LARGEST_WHOLE else None
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_ASKED_CHARACTERS or not is_storable_text(value):
        return None
    return value


def find_object(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a field that is an object, an empty one where it is none."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def find_objects(value: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects of a field that is a list."""
    found = value.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def find_whole(value: Mapping[str, Any], name: str, largest: int = LARGEST_WHOLE) -> int | None:
    """Return a field that is a whole number from 0 to `largest`, given as such, as a float or as a text."""
    found = value.get(name)
    if type(found) is int:
        return found if 0 <= found <= largest else None
    number = to_number(found)
    if number is None or not 0 <= number <= largest:
        return None
    return int(number)


def to_number(value: object) -> int | float | None:
    """Return a finite number, given as such or as a text."""
    if isinstance(value, str) and len(value) <= LONGEST_NAME_CHARACTERS:
        value = _parse_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None


def find_moment(value: object) -> datetime | None:
    """Return a time given in seconds since the epoch."""
    number = to_number(value)
    return datetime.fromtimestamp(number, UTC) if number is not None and 0 < number < LATEST_SECONDS else None


def _parse_number(text: str) -> object:
    try:
        return orjson.loads(text.strip())
    except orjson.JSONDecodeError:
        return None
