"""Any text and any JSON value as Postgres, an encoder and the next client can hold them: the one place that mends them.

Postgres keeps no U+0000, UTF-8 no lone surrogates, JSON no NaN, encoders give up on deep nesting and on integers beyond
64 bits. The checks are cheap, and what is sound comes back as the same object. Knows no provider and no table."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final

import orjson

REPLACEMENT: Final = "\ufffd"
"""Stands where a character stood that cannot be kept."""
CUT_MARK: Final = "…"
"""The last character of a text that was cut, and what is left of values that were nested too deeply."""
DEEPEST_NESTING: Final = 100
"""Lists and objects inside each other; encoders give up from 250 on, and what is kept is wrapped some more."""
ENCODER_LEVELS: Final = 254
"""Where the encoder gives up: a value is wrapped until what it may have of its own is left."""
LEAST_INTEGER: Final = -(2**63)
LARGEST_INTEGER: Final = 2**64 - 1
"""What a JSON encoder writes as an integer; what lies beyond becomes a float, as parsers make it one."""
ESCAPED_NUL: Final = b"\\u0000"


def make_storable_text(text: str) -> str:
    """Return `text` with U+FFFD for U+0000 and for each lone surrogate; two halves that meet become one character."""
    return mend_surrogates(text.replace("\x00", REPLACEMENT) if "\x00" in text else text)


def mend_surrogates(text: str) -> str:
    """Return `text` with U+FFFD for each lone surrogate, so that it can be encoded; U+0000 stays: for rows of files,
    where it is a finding."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def is_storable_text(text: str) -> bool:
    """Say whether `text` can be kept as it is."""
    return make_storable_text(text) is text


def decode_text(raw: bytes) -> str:
    """Return bytes that should be UTF-8 as a storable text, U+FFFD where they are not."""
    return make_storable_text(raw.decode("utf-8", "replace"))


def cut_text(text: str, most_characters: int) -> str:
    """Return `text` as a column of `most_characters` holds it: storable, and with a mark at its end if it was cut."""
    # Cut before it is mended: a text of megabytes is not walked for the sake of its first line.
    if len(text) > most_characters:
        return make_storable_text(text[: most_characters - 1]) + CUT_MARK
    return make_storable_text(text)


def cut_optional_text(text: str | None, most_characters: int) -> str | None:
    """Return the text cut, None for none."""
    return None if text is None else cut_text(text, most_characters)


def holds_nul(value: Any) -> bool:
    """Say whether U+0000 stands in any text or key of a JSON value."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if "\x00" in item:
                return True
        elif isinstance(item, dict):
            waiting += item.keys()
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return False


def is_nested_deeper(value: Any, levels: int = DEEPEST_NESTING) -> bool:
    """Say whether lists and objects of a sound JSON value stand inside each other beyond `levels`, at the encoder's
    speed, which is much above that of a walk."""
    for _ in range(ENCODER_LEVELS - levels):
        value = [value]
    try:
        orjson.dumps(value)
    except TypeError:
        return True
    return False


def make_storable_json(value: Any, *, names_numbers: bool = False) -> Any:
    """Return a copy of a JSON value that can be kept: texts and keys storable, what is nested too deeply replaced by
    CUT_MARK, what is no finite number null, or its name (`nan`, `inf`, `-inf`) with `names_numbers`. Dataclasses and
    mappings become objects, sequences lists; values of other types stay, for the encoder's `default`."""
    return _mend(value, DEEPEST_NESTING, names_numbers)


def encode_storable_json(value: Any, *, default: Callable[[Any], Any] | None = None, option: int = 0) -> bytes:
    """Return `value` as JSON that Postgres can keep; `default` and `option` are orjson's. A value that is sound is
    encoded once and not walked. Raises: TypeError for what is no JSON value, nor made one by `default`."""
    try:
        encoded = orjson.dumps(value, default=default, option=option)
    except TypeError:  # a lone surrogate, too large, too deep: or no JSON, which is raised again below
        return orjson.dumps(make_storable_json(value), default=default, option=option)
    if ESCAPED_NUL in encoded:  # or the text of such an escape: mending it changes nothing
        return orjson.dumps(make_storable_json(value), default=default, option=option)
    return encoded


def _mend(value: Any, levels: int, names_numbers: bool) -> Any:
    if isinstance(value, str):
        return make_storable_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if LEAST_INTEGER <= value <= LARGEST_INTEGER else _mend_float(_to_float(value), names_numbers)
    if isinstance(value, float):
        return _mend_float(value, names_numbers)
    return _mend_container(value, levels, names_numbers)


def _mend_container(value: Any, levels: int, names_numbers: bool) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = {item.name: getattr(value, item.name) for item in fields(value)}
    if isinstance(value, Mapping):
        if levels == 0:
            return CUT_MARK
        return {
            make_storable_text(key) if isinstance(key, str) else key: _mend(item, levels - 1, names_numbers)
            for key, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return CUT_MARK if levels == 0 else [_mend(item, levels - 1, names_numbers) for item in value]
    return value


def _mend_float(value: float, names_numbers: bool) -> float | str | None:
    if math.isfinite(value):
        return value
    return str(value) if names_numbers else None


def _to_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
