"""Answers that hold no text, in our words: embeddings, and what a provider says of texts that it moderates."""

import base64
import binascii
import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.outside.providers.border.answers import ResultKind, request_id
from shared.outside.providers.border.fields import LONGEST_NAME_CHARACTERS, find_objects, find_whole, spell_field
from shared.outside.providers.border.http_errors import error_from_body
from shared.outside.providers.border.json_values import read_object
from shared.outside.providers.border.usage import Usage, find_text_usage
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
    """Read the answer, which has something for each of so many inputs. Raises: LlmError (malformed, or what its error
    object says)."""
    body = read_object(raw)
    if body.get("error"):
        raise error_from_body(200, body, headers)
    result = {"vectors": read_vectors(body, inputs)} if kind == "embedding" else read_moderation(body, inputs)
    model = spell_field(body, "model", LONGEST_NAME_CHARACTERS)
    return LlmResult(result, find_text_usage(body), model, request_id(headers))


def read_vectors(body: dict[str, Any], inputs: int) -> list[str]:
    """Return a vector for each text. Raises: LlmError (malformed) when one is missing, is none, or not as long as the
    others."""
    found: dict[int, str] = {}
    for place, item in enumerate(find_objects(body, "data")):
        index = find_whole(item, "index")
        found[place if index is None else index] = read_vector(item.get("embedding"))
    if sorted(found) != list(range(inputs)):
        raise LlmError(FailureClass.MALFORMED, f"the provider sent {len(found)} embeddings for {inputs} texts")
    if len(set(map(count_numbers, found.values()))) > 1:
        raise LlmError(FailureClass.MALFORMED, "the provider's embeddings of one request are not of one length")
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
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise LlmError(FailureClass.MALFORMED, "an embedding of the provider's is no base64") from error
    if not raw or len(raw) % BYTES_PER_NUMBER:
        message = f"an embedding of the provider's has {len(raw)} bytes: no 32-bit numbers"
        raise LlmError(FailureClass.MALFORMED, message)
    if not all(map(math.isfinite, array("f", raw))):
        raise LlmError(FailureClass.MALFORMED, "an embedding of the provider's has parts that are no numbers")
    return text


def count_numbers(vector: str) -> int:
    """Return how many numbers a vector in base64 has."""
    return (len(vector) * 3 // 4 - vector.count("=", -2)) // BYTES_PER_NUMBER


def is_number(value: object) -> bool:
    """Say whether a 32-bit float can hold a value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_FLOAT


def read_moderation(body: dict[str, Any], inputs: int) -> dict[str, Any]:
    """Return what is said of each text. Raises: LlmError (malformed) when of one nothing is: nobody could tell which
    text the others are about."""
    results = find_objects(body, "results")
    if len(results) != inputs:
        raise LlmError(FailureClass.MALFORMED, f"the provider sent {len(results)} judgements of {inputs} texts")
    if not all(map(is_judgement, results)):
        raise LlmError(FailureClass.MALFORMED, "a judgement of the provider's does not say yes or no")
    return {"results": results}


def is_judgement(result: dict[str, Any]) -> bool:
    """Say whether what is said of a text is of the form that clients read, as far as it is said."""
    said_by_name = (result.get("categories"), result.get("category_scores"))
    return isinstance(result.get("flagged"), bool | None) and all(isinstance(one, dict | None) for one in said_by_name)
