"""Pools: each row shows a few of their texts, other ones in each row, and the same whoever makes the prompt."""

from typing import Any

import pytest

from shared.contracts.recipes.errors import GridError
from shared.contracts.recipes.prompts import check_pools, read_prompts

POOL: dict[str, Any] = {"texts": [f"例{number}" for number in range(20)], "count": 3, "separator": "/"}


def test_a_row_shows_different_texts_and_always_the_same_ones() -> None:
    one, again = (read_prompts("{{ examples }}", {"examples": POOL}) for _ in range(2))
    shown = one.render({"a": 1}, 0).split("/")
    assert len(set(shown)) == 3
    assert set(shown) <= set(POOL["texts"])
    assert again.render({"a": 1}, 0).split("/") == shown


def test_rows_show_other_texts_and_all_come_to_be_shown() -> None:
    prompts = read_prompts("{{ examples }}", {"examples": POOL})
    rows = [prompts.render({"a": cell}, repeat) for cell in range(20) for repeat in range(5)]
    assert len(set(rows)) > 95
    assert {text for row in rows for text in row.split("/")} == set(POOL["texts"])


def test_a_draw_is_one_of_those_that_stand_in_the_prompts_of_earlier_releases() -> None:
    assert read_prompts("{{ examples }}", {"examples": POOL}).render({"a": 1}, 0) == "例5/例0/例17"


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("dynasty", {}, "there is an attribute of this name"),
        ("examples", {"count": 21}, "21 texts are to be shown, and the pool has 20"),
        ("examples", {"texts": []}, "a pool has 1 to"),
        ("examples", {"texts": [""]}, "each text has 1 to"),
        ("a b", {}, "is no name that a template can use"),
    ],
)
def test_a_pool_that_no_prompt_could_show_is_refused(name: str, change: dict[str, Any], words: str) -> None:
    with pytest.raises(GridError, match=words):
        check_pools({name: {**POOL, **change}}, ["dynasty"])
