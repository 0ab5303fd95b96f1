"""Hashes that say "the same work": of a recipe's content, and of one story's row."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

VERSION: Final = 2
"""Of row keys. Rows of version 1, whose keys hold the hash of their recipe's content, keep theirs."""
SHAPE_NO_ANSWER: Final = frozenset(
    {
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "timeout",
        "user",
    }
)
"""Parameters that say who asks, how fast and what is kept."""


def content_hash(
    *,
    template: str,
    attributes: Mapping[str, Any],
    attribute_names: Sequence[str],
    repeats: int,
    model: str,
    parameters: Mapping[str, Any],
    format: str,
    rules: Mapping[str, Any] | None = None,
    selection: Mapping[str, Any] | None = None,
    pools: Mapping[str, Any] | None = None,
) -> str:
    """Return the hash under which a recipe version is found again: equal content, equal hash. A recipe without
    rules, selection and pools has the hash that it had before there were any."""
    content = [template, dict(attributes), list(attribute_names), repeats, model, dict(parameters), format]
    if selection or pools:
        return _hash([*content, dict(rules or {}), dict(selection or {}), dict(pools or {})])
    return _hash([*content, dict(rules)] if rules else content)


def row_key(prompt: str | list[Any], format: str, repeat: int, model: str, parameters: Mapping[str, Any]) -> str:
    """Return the key of one story: a hash of all that shapes its answer, and of nothing else. How many repeats there
    are, rules, limits and money are no part of it; the repeat is in the key and not in the prompt. `prompt`: what makes
    it, where it cannot be made."""
    shaping = {name: value for name, value in parameters.items() if name not in SHAPE_NO_ANSWER}
    return _hash([VERSION, prompt, format, repeat, model, shaping])


def _hash(content: list[Any]) -> str:
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
