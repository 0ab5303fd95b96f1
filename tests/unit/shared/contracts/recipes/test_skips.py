"""Cells that a recipe leaves out: the rest is the grid without them, in its order, and nothing is laid out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.recipes.errors import GridError
from shared.contracts.recipes.grid import read_grid

ATTRIBUTES: dict[str, Any] = {
    "dynasty": ["唐", "宋", "清"],
    "number": {"range": [1, 7, 2]},
    "weapon": {"weighted": [["剑", 3], ["枪", 1]]},
    "is_short": [True, False],
}
VALUES: dict[str, list[Any]] = {
    "dynasty": ["唐", "宋", "清"],
    "number": [1, 3, 5, 7, 3.0],
    "weapon": ["剑", "枪"],
    "is_short": [True, False],
}


def is_skipped(cell: dict[str, Any], constraint: dict[str, Any]) -> bool:
    """The rule as it is documented, one cell at a time."""
    for name, spec in constraint.items():
        is_negated = isinstance(spec, dict)
        values = spec["not"] if isinstance(spec, dict) else spec if isinstance(spec, list) else [spec]
        if (cell[name] in values) == is_negated:
            return False
    return True


def spec_of(name: str) -> st.SearchStrategy[Any]:
    """A value of an attribute, some, or all but some."""
    some = st.lists(st.sampled_from(VALUES[name]), min_size=1, max_size=3)
    return st.one_of(st.sampled_from(VALUES[name]), some, st.builds(lambda values: {"not": values}, some))


CONSTRAINTS = st.lists(
    st.sets(st.sampled_from(sorted(VALUES)), min_size=1).flatmap(
        lambda names: st.fixed_dictionaries({name: spec_of(name) for name in sorted(names)})
    ),
    min_size=1,
    max_size=5,
)


@given(CONSTRAINTS)
def test_what_is_left_is_the_grid_without_the_cells_that_are_skipped(constraints: list[dict[str, Any]]) -> None:
    whole = read_grid(ATTRIBUTES).cells()
    left = [cell for cell in whole if not any(is_skipped(cell, constraint) for constraint in constraints)]
    if left:
        grid = read_grid(ATTRIBUTES, None, {"skip": constraints})
        assert (grid.cell_count, list(grid.cells())) == (len(left), left)
    else:
        with pytest.raises(GridError, match="skip every cell"):
            read_grid(ATTRIBUTES, None, {"skip": constraints})


def test_a_grid_that_nobody_could_lay_out_is_counted_to_the_cell() -> None:
    attributes = {name: {"range": [1, 10**9]} for name in "abcd"}
    grid = read_grid(attributes, None, {"skip": [{"a": 5, "b": {"not": [7]}}, {"d": 10**9}]})
    most = 10**9
    assert grid.cell_count == (most**2 - (most - 1)) * most * (most - 1)
    assert grid.cell(grid.cell_count - 1) == {"a": most, "b": most, "c": most, "d": most - 1}


@pytest.mark.parametrize(
    ("constraint", "param", "words"),
    [
        ({"dinasty": "唐"}, "skip.1.dinasty", "is not among the attributes (dynasty,"),
        ({"dynasty": "元"}, "skip.1.dynasty", "'元' is not among the values"),
        ({"number": 2}, "skip.1.number", "'2' is not among the values"),
        ({"number": "1"}, "skip.1.number", "'1' is not among the values"),
        ({"is_short": 1}, "skip.1.is_short", "'1' is not among the values"),
        ({}, "skip.1", "would skip all"),
        ({"dynasty": {"not": ["元"]}}, "skip.1.dynasty", "'元' is not among the values"),
        ({"dynasty": ["唐", "宋", "清"]}, "skip", "skip every cell"),
    ],
)
def test_a_constraint_that_nobody_could_mean_is_refused_with_its_place(
    constraint: dict[str, Any], param: str, words: str
) -> None:
    with pytest.raises(GridError) as refusal:
        read_grid(ATTRIBUTES, None, {"skip": [{"dynasty": "唐", "weapon": "枪"}, constraint]})
    assert refusal.value.param == param
    assert words in refusal.value.message


def test_constraints_that_cannot_be_counted_are_refused_soon() -> None:
    """Each pair of attributes has a constraint of its own for each of its values: the states double with each axis."""
    names = [f"a{number}" for number in range(26)]
    constraints = [{f"a{number}": 1, f"a{number + 13}": 1} for number in range(13)]
    constraints += [{f"a{number}": 2, f"a{25 - number}": 2} for number in range(13)]
    with pytest.raises(GridError, match="too entangled"):
        read_grid({name: [1, 2, 3] for name in names}, None, {"skip": constraints})
