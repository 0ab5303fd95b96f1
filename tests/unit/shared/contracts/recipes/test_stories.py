"""The rows of a run: whoever inserts a position inserts the same story."""

from dataclasses import replace

from shared.contracts.recipes.grid import read_grid
from shared.contracts.recipes.stories import StorySource, build_stories

GRID = read_grid({"dynasty": ["唐", "宋"], "power": ["飞", "隐形"]})
SOURCE = StorySource(GRID, "a" * 64, 3, "gemma", {"max_tokens": 40, "temperature": 1.0})


def test_positions_go_cell_by_cell_and_in_each_repeat_by_repeat() -> None:
    rows = list(build_stories(SOURCE, 0, 12))
    assert [(row.position, row.attributes["dynasty"], row.attributes["power"], row.repeat) for row in rows[2:5]] == [
        (2, "唐", "飞", 2),
        (3, "唐", "隐形", 0),
        (4, "唐", "隐形", 1),
    ]


def test_the_key_of_a_row_does_not_depend_on_where_a_chunk_begins() -> None:
    whole = {row.position: row.row_key for row in build_stories(SOURCE, 0, 12)}
    chunk = {row.position: row.row_key for row in build_stories(SOURCE, 5, 8)}
    assert chunk == {position: whole[position] for position in (5, 6, 7)}
    assert len(set(whole.values())) == 12


def test_the_key_of_a_row_is_the_one_that_stands_in_the_databases_of_earlier_releases() -> None:
    (row,) = build_stories(SOURCE, 7, 8)
    assert row.row_key == "a5962f19aa6b2655fef480d864689ccfefe5d94fe1ddb7d75f836771e65f202a"


def test_an_extended_run_keeps_every_place_and_fills_the_rest_of_its_grid() -> None:
    extended = replace(SOURCE, repeats=6, layers=[3, 1, 2])
    rows = list(build_stories(extended, 0, 24))
    first = [(row.position, row.repeat, row.row_key) for row in build_stories(SOURCE, 0, 12)]
    assert [(row.position, row.repeat, row.row_key) for row in rows[:12]] == first
    assert [row.repeat for row in rows[12:]] == [3] * 4 + [4, 5] * 4
    assert len({row.row_key for row in rows}) == 24
    assert [row.row_key for row in build_stories(extended, 10, 18)] == [row.row_key for row in rows[10:18]]
