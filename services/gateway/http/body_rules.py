"""Which fields of a body belong together, as it is told to machines; that they do is checked by the body's validator.

Told by `not`, which makers of clients pass over: of `oneOf` beside fields they would make types without the fields."""

from typing import Any

Rule = dict[str, Any]


def given(name: str) -> Rule:
    """Return the rule that a field is there and not null."""
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def need_one(*names: str) -> Rule:
    """Return the rule that at least one of the fields is given."""
    return {"not": {"not": {"anyOf": [given(name) for name in names]}}}


def need_exactly_one(*names: str) -> Rule:
    """Return the rule that one of the fields is given, and no other of them."""
    return {"not": {"not": {"oneOf": [given(name) for name in names]}}}


def need_both_or_none(first: str, second: str) -> Rule:
    """Return the rule that two fields are given together or not at all."""
    return {"not": {"oneOf": [given(first), given(second)]}}
