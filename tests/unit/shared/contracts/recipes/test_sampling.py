"""A sample of a grid: each place at most once, as often as the weights say, the same for the same seed."""

from collections import Counter

import pytest

from shared.contracts.recipes.errors import GridError
from shared.contracts.recipes.grid import read_grid
from shared.contracts.recipes.sampling import shuffle_place

ATTRIBUTES = {"dynasty": {"weighted": [["唐", 9], ["宋", 1]]}, "number": {"range": [1, 1000]}}


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 1000, 4097])
def test_every_place_comes_once(length: int) -> None:
    assert sorted(shuffle_place(index, length, 7) for index in range(length)) == list(range(length))


def test_a_sample_has_its_values_about_as_often_as_their_weights_say() -> None:
    cells = list(read_grid(ATTRIBUTES, None, {"sample": {"cells": 2000}}).cells())
    counts = Counter(cell["dynasty"] for cell in cells)
    assert 1700 < counts["唐"] < 1900
    assert len({cell["number"] for cell in cells}) > 800, "spread over the other attribute, too"
    assert sum(int(cell["number"]) for cell in cells) / 2000 == pytest.approx(500, abs=30)


def test_a_larger_sample_holds_the_smaller_and_another_seed_is_another() -> None:
    small, large, other = (
        list(read_grid(ATTRIBUTES, None, {"sample": sample}).cells())
        for sample in ({"cells": 20}, {"cells": 50}, {"cells": 20, "seed": 1})
    )
    assert small == large[:20]
    assert small != other


def test_what_is_skipped_is_not_drawn() -> None:
    chosen = {"skip": [{"dynasty": "唐"}], "sample": {"cells": 1000}}
    cells = list(read_grid(ATTRIBUTES, None, chosen).cells())
    assert {cell["dynasty"] for cell in cells} == {"宋"}
    assert len({cell["number"] for cell in cells}) == 1000


def test_more_than_the_grid_has_is_refused_with_both_numbers() -> None:
    with pytest.raises(GridError, match=r"sample\.cells: 10001 are to be drawn, and the grid has 10000"):
        read_grid(ATTRIBUTES, None, {"sample": {"cells": 10_001}})
