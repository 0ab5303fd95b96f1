"""Weighted values survive a store that forgets the order of keys."""

from shared.contracts.recipes.axis import to_stored_spec
from shared.contracts.recipes.grid import read_grid


def test_the_stored_form_of_weighted_values_makes_the_same_cells() -> None:
    spec = {"weighted": {"long name": 1, "b": 2, "a": 1}}
    stored = to_stored_spec(spec)
    assert stored == {"weighted": [["long name", 1], ["b", 2], ["a", 1]]}
    assert list(read_grid({"n": stored}).cells()) == list(read_grid({"n": spec}).cells())


def test_weighted_pairs_may_hold_numbers() -> None:
    assert [cell["n"] for cell in read_grid({"n": {"weighted": [[1, 2], [0.5, 1]]}}).cells()] == [1, 1, 0.5]
