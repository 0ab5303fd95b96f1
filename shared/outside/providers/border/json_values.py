"""A provider's bytes as JSON values that can be stored. Knows no shape."""

import json
from typing import Any, Final

import orjson

from shared.contracts.storable import (
    DEEPEST_NESTING,
    ESCAPED_NUL,
    decode_text,
    is_nested_deeper,
    make_storable_json,
)
from shared.outside.providers.failures import FailureClass, LlmError

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
PATIENT: Final = json.JSONDecoder(strict=False)
END_MARKS: Final = ("data:", "[DONE]", ":", "event:", "id:", "retry:")
"""What may stand behind a JSON value: it came in the middle of an event stream."""


class NotStrictJsonError(ValueError):
    """The fast parser refuses it; the patient one may not."""


def read_object(raw: bytes, *, what: str = "answer", names_numbers: bool = False) -> dict[str, Any]:
    """Return the JSON object in `raw`, storable. `names_numbers`: see `make_storable_json`; `what` is for the message.
    Raises: LlmError (malformed)."""
    return require_object(read_json(raw, what=what, names_numbers=names_numbers), what=what)


def require_object(value: object, *, what: str) -> dict[str, Any]:
    """Return `value` if it is an object, or a list of nothing but one. Raises: LlmError (malformed)."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise LlmError(FailureClass.MALFORMED, f"the provider's {what} is not a JSON object")
    return value


def read_strict_object(raw: bytes, *, what: str) -> dict[str, Any]:
    """Return the JSON object in `raw`, storable, without patience. Raises: NotStrictJsonError when
    patience may help, LlmError (malformed) when it is no object."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise NotStrictJsonError from error
    return require_object(make_storable_json(value) if needs_mending(raw, value) else value, what=what)


def read_json(raw: bytes, *, what: str = "answer", names_numbers: bool = False) -> Any:
    """Return the JSON value in `raw`, storable. Raises: LlmError (malformed)."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return make_storable_json(read_odd_json(raw, what=what), names_numbers=names_numbers)
    return make_storable_json(value, names_numbers=names_numbers) if needs_mending(raw, value) else value


def needs_mending(raw: bytes, value: Any) -> bool:
    """Say whether a value that the fast parser read from `raw` cannot be stored as it is. It lets two things through:
    U+0000, which has one spelling, and nesting, which takes many brackets. Every chunk of every stream is looked at."""
    if b"\\" in raw and ESCAPED_NUL in raw:  # one byte is found much faster than six
        return True
    return raw.count(b"{") + raw.count(b"[") > DEEPEST_NESTING and is_nested_deeper(value)


def read_odd_json(raw: bytes, *, what: str = "answer") -> Any:
    """Return a value that only a patient parser reads: a byte-order mark, NaN and Infinity, halves of surrogate pairs,
    control characters in texts, an end mark of a stream behind it. What cannot be stored is still in it.
    Raises: LlmError (malformed)."""
    # Lone surrogates are kept here: the other half may be in the next chunk.
    text = decode_text(raw.removeprefix(BYTE_ORDER_MARK)).strip()
    try:
        value, end = PATIENT.raw_decode(text)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise LlmError(FailureClass.MALFORMED, f"the provider's {what} is not JSON: {reason}") from error
    if not all(line.lstrip().startswith(END_MARKS) for line in text[end:].split("\n") if line.strip()):
        raise LlmError(FailureClass.MALFORMED, f"the provider's {what} is not JSON: more stands behind it")
    return value


def is_whole_json(text: str) -> bool:
    """Say whether a text is a JSON value from end to end."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
