"""Answers that hold no text, in our words: embeddings, and what a provider says of texts that it moderates."""

import base64
import binascii
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.outside.providers.border.answers import ResultKind, request_id
from shared.outside.providers.border.fields import LONGEST_NAME_CHARACTERS, find_objects, find_whole, spell_field
from shared.outside.providers.border.http_errors import error_from_body
from shared.outside.providers.border.json_values import read_object
from shared.outside.providers.border.usage import Usage, find_usage
from shared.outside.providers.failures import FailureClass, LlmError

BYTES_PER_NUMBER: Final = 4
LARGEST_FLOAT: Final = 3.4e38
"""What a 32-bit float holds; nothing that is no number is less."""


@dataclass(frozen=True, slots=True)
class LlmResult:
    """What came of a call that answers with an object."""

    result: dict[str, Any]
    """Of embeddings `vectors`: 32-bit floats, little end first, in base64, in the order of the texts; of a moderation
    `results`."""
    usage: Usage | None
    model: str | None
    request_id: str | None


def read_result(kind: ResultKind, raw: bytes, headers: Mapping[str, str], inputs: int) -> LlmResult:
    """Read the answer to so many texts. Raises: LlmError (malformed, or what its error object says)."""
    body = read_object(raw)
    if body.get("error"):
        raise error_from_body(200, body, headers)
    result = {"vectors": read_vectors(body, inputs)} if kind == "embedding" else read_moderation(body)
    model = spell_field(body, "model", LONGEST_NAME_CHARACTERS)
    return LlmResult(result, find_usage(body, None), model, request_id(headers))


def read_vectors(body: dict[str, Any], inputs: int) -> list[str]:
    """Return a vector for each text. Raises: LlmError (malformed) when one is missing, or is none."""
    found: dict[int, str] = {}
    for place, item in enumerate(find_objects(body, "data")):
        index = find_whole(item, "index")
        found[place if index is None else index] = read_vector(item.get("embedding"))
    if sorted(found) != list(range(inputs)):
        raise LlmError(FailureClass.MALFORMED, f"the provider sent {len(found)} embeddings for {inputs} texts")
    return [found[index] for index in range(inputs)]


def read_vector(value: object) -> str:
    """Return a vector in base64, whichever way the provider spells it. Raises: LlmError (malformed)."""
    if isinstance(value, str):
        return read_spelled_vector(value)
    if not isinstance(value, list) or not value or not all(map(is_number, value)):
        raise LlmError(FailureClass.MALFORMED, "an embedding of the provider's is no list of numbers")
    return base64.b64encode(array("f", value).tobytes()).decode()


def read_spelled_vector(text: str) -> str:
    """Return a vector that comes in base64. Raises: LlmError (malformed) when it is none."""
    try:
        size = len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise LlmError(FailureClass.MALFORMED, "an embedding of the provider's is no base64") from error
    if not size or size % BYTES_PER_NUMBER:
        raise LlmError(FailureClass.MALFORMED, f"an embedding of the provider's has {size} bytes: no 32-bit numbers")
    return text


def is_number(value: object) -> bool:
    """Say whether a 32-bit float can hold a value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_FLOAT


def read_moderation(body: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of each text. Raises: LlmError (malformed) when nothing is."""
    results = find_objects(body, "results")
    if not results:
        raise LlmError(FailureClass.MALFORMED, "the provider's moderation has no results")
    return {"results": results}
