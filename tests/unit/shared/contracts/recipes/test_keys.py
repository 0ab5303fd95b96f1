"""Hashes of recipes and rows."""

from typing import Any

import pytest

from shared.contracts.recipes.keys import content_hash, row_key

ROW: dict[str, Any] = {"prompt": "p", "format": "chat", "repeat": 0, "model": "m", "parameters": {"t": 1, "u": 2}}


def test_the_order_of_names_does_not_change_a_row_key() -> None:
    assert row_key(**ROW) == row_key(**{**ROW, "parameters": {"u": 2, "t": 1}})


@pytest.mark.parametrize(
    "change", [{"prompt": "q"}, {"format": "completion"}, {"repeat": 1}, {"model": "n"}, {"parameters": {}}]
)
def test_whatever_could_change_the_answer_changes_the_row_key(change: dict[str, Any]) -> None:
    assert row_key(**ROW) != row_key(**{**ROW, **change})


def test_what_could_not_does_not() -> None:
    assert row_key(**ROW) == row_key(**{**ROW, "parameters": {**ROW["parameters"], "user": "me", "timeout": 9}})


def test_the_order_of_attributes_is_part_of_a_recipe() -> None:
    recipe: dict[str, Any] = {
        "template": "t",
        "attributes": {"a": [1], "b": [2]},
        "repeats": 1,
        "model": "m",
        "parameters": {},
        "format": "chat",
    }
    assert content_hash(**recipe, attribute_names=["a", "b"]) != content_hash(**recipe, attribute_names=["b", "a"])
