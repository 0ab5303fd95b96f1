"""The grid: order, counts and bad specifications."""

import itertools

import pytest

from shared.contracts.recipes.errors import GridError
from shared.contracts.recipes.grid import read_grid


def test_cells_come_in_the_order_of_nested_loops_over_the_attributes() -> None:
    values = {"dynasty": ["唐", "宋"], "power": ["飞行", "隐形", "喷火"], "type": ["轻松"]}
    grid = read_grid(values)
    expected = [dict(zip(values, cell, strict=True)) for cell in itertools.product(*values.values())]
    assert list(grid.cells()) == expected
    assert [grid.cell(index) for index in range(grid.cell_count)] == expected
    assert list(grid.cells(2, 4)) == expected[2:4]


def test_the_stored_order_of_names_wins_over_the_order_of_the_mapping() -> None:
    grid = read_grid({"b": [1, 2], "a": [3, 4]}, ["a", "b"])
    assert list(grid.cell(1)) == ["a", "b"]
    assert grid.cell(1) == {"a": 3, "b": 2}


def test_a_recipe_without_attributes_has_one_cell() -> None:
    grid = read_grid({})
    assert grid.cell_count == 1
    assert grid.cell(0) == {}


def test_a_billion_cells_are_counted_without_being_built() -> None:
    grid = read_grid({name: {"range": [1, 1000]} for name in "abc"})
    assert grid.cell_count == 10**9
    assert grid.cell(10**9 - 1) == {"a": 1000, "b": 1000, "c": 1000}
    with pytest.raises(IndexError):
        grid.cell(10**9)


@pytest.mark.parametrize(
    ("bounds", "values"),
    [
        ([1, 10, 3], [1, 4, 7, 10]),
        ([1, 9, 3], [1, 4, 7]),
        ([0, 0.3, 0.1], [0, 0.1, 0.2, 0.3]),
        ([3, 1, -1], [3, 2, 1]),
        ([5, 5], [5]),
    ],
)
def test_a_range_includes_its_end_when_the_steps_hit_it(bounds: list[float], values: list[float]) -> None:
    grid = read_grid({"n": {"range": bounds}})
    assert [cell["n"] for cell in grid.cells()] == values


def test_a_weighted_value_takes_as_many_places_as_its_weight() -> None:
    grid = read_grid({"d": {"weighted": {"唐": 3, "宋": 1}}})
    assert [cell["d"] for cell in grid.cells()] == ["唐", "唐", "唐", "宋"]


def test_the_longest_cell_takes_the_longest_value_of_each_attribute() -> None:
    grid = read_grid({"a": ["x", "xxx", "xx"], "n": {"range": [8, 12]}, "w": {"weighted": {"yy": 1, "y": 5}}})
    assert grid.longest_cell() == {"a": "xxx", "n": 12, "w": "yy"}


@pytest.mark.parametrize(
    "attributes",
    [
        {"a": []},
        {"a": "x"},
        {"a": None},
        {"a": ["x", "x"]},
        {"a": [None]},
        {"a": [["x"]]},
        {"a": ["x" * 5000]},
        {"a": {"range": [1]}},
        {"a": {"range": [1, 2, 0]}},
        {"a": {"range": [2, 1]}},
        {"a": {"range": [0, 1e308, 1e-300]}},
        {"a": {"range": ["1", 2]}},
        {"a": {"range": [True, 2]}},
        {"a": {"weighted": {}}},
        {"a": {"weighted": {"x": 0}}},
        {"a": {"weighted": {"x": 1.5}}},
        {"a": {"range": [1, 2], "weighted": {"x": 1}}},
        {"1a": ["x"]},
        {"_a": ["x"]},
        {"a b": ["x"]},
        {"loop": ["x"]},
        {f"a{number}": ["x"] for number in range(33)},
    ],
)
def test_a_bad_attribute_is_refused_by_name(attributes: dict[str, object]) -> None:
    with pytest.raises(GridError) as caught:
        read_grid(attributes)
    assert caught.value.param is not None
    assert caught.value.param.startswith("attributes")
