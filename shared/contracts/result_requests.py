"""Completion rows that bring an object and no text: embeddings and moderations, and what such a request asks about."""

from typing import Any, Final, Literal

import orjson

EMBEDDING: Final[Literal["embedding"]] = "embedding"
MODERATION: Final[Literal["moderation"]] = "moderation"
RESULT_KINDS: Final = frozenset({EMBEDDING, MODERATION})


def is_result(kind: str) -> bool:
    """Say whether rows of a kind bring no text."""
    return kind in RESULT_KINDS


def list_inputs(value: Any) -> list[Any]:
    """Return the texts of a request, one by one: a text, or a list of tokens, is one; of both there may be a list."""
    if not isinstance(value, list) or (value and isinstance(value[0], int)):
        return [value]
    return value


def count_results(value: Any) -> int:
    """Return how many results a request for so many texts has: parts (texts and pictures) are judged as one."""
    inputs = list_inputs(value)
    return 1 if inputs and isinstance(inputs[0], dict) else len(inputs)


def count_input_bytes(one: Any) -> int:
    """Return an upper bound of a text's tokens: no tokenizer makes more tokens than bytes."""
    if isinstance(one, str):
        return len(one.encode())
    return len(one) if isinstance(one, list) else len(orjson.dumps(one))
