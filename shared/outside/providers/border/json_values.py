"""A provider's bytes as JSON values that can be stored. Knows no shape."""

import json
from typing import Any, Final

import orjson

from shared.contracts.storable import ESCAPED_NUL, decode_text, make_storable_json
from shared.outside.providers.failures import FailureClass, LlmError

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class NotStrictJsonError(ValueError):
    """The fast parser refuses it; the patient one may not."""


def read_object(raw: bytes, *, what: str = "answer", names_numbers: bool = False) -> dict[str, Any]:
    """Return the JSON object in `raw`, storable. `names_numbers`: see `make_storable_json`; `what` is for the message.
    Raises: LlmError (malformed)."""
    return require_object(read_json(raw, what=what, names_numbers=names_numbers), what=what)


def require_object(value: object, *, what: str) -> dict[str, Any]:
    """Return `value` if it is an object. Raises: LlmError (malformed)."""
    if not isinstance(value, dict):
        raise LlmError(FailureClass.MALFORMED, f"the provider's {what} is not a JSON object")
    return value


def read_strict_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in `raw`, storable, without patience. Raises: NotStrictJsonError, LlmError (malformed)."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise NotStrictJsonError from error
    return require_object(make_storable_json(value) if ESCAPED_NUL in raw else value, what="chunk")


def read_json(raw: bytes, *, what: str = "answer", names_numbers: bool = False) -> Any:
    """Return the JSON value in `raw`, storable but for its depth, which its encoder mends. Raises: LlmError
    (malformed)."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return make_storable_json(read_odd_json(raw, what=what), names_numbers=names_numbers)
    # A parser of this kind lets one thing through that cannot be stored, and it has one spelling.
    return make_storable_json(value, names_numbers=names_numbers) if ESCAPED_NUL in raw else value


def read_odd_json(raw: bytes, *, what: str = "answer") -> Any:
    """Return a value that only a patient parser reads: a byte-order mark, NaN and Infinity, halves of surrogate pairs,
    control characters in texts. What cannot be stored is still in it. Raises: LlmError (malformed)."""
    # Lone surrogates are kept here: the other half may be in the next chunk.
    try:
        return json.loads(decode_text(raw.removeprefix(BYTE_ORDER_MARK)), strict=False)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise LlmError(FailureClass.MALFORMED, f"the provider's {what} is not JSON: {reason}") from error
