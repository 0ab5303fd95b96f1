"""Hashes that say "the same work": of a recipe's content, and of one story's row."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson


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
) -> str:
    """Return the hash under which a recipe version is found again: equal content, equal hash. A recipe without rules
    has the hash that it had before there were any."""
    content = [template, dict(attributes), list(attribute_names), repeats, model, dict(parameters), format]
    return _hash([*content, dict(rules)] if rules else content)


def row_key(
    recipe_content_hash: str, attributes: Mapping[str, Any], repeat: int, model: str, parameters: Mapping[str, Any]
) -> str:
    """Return the key of one story: hash of recipe version, cell, repeat, model and parameters.
    The repeat is in the key and not in the prompt."""
    return _hash([recipe_content_hash, dict(attributes), repeat, model, dict(parameters)])


def _hash(content: list[Any]) -> str:
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
