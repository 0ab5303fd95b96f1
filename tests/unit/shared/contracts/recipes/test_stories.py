"""The rows of a run: whoever inserts a position inserts the same story."""

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
