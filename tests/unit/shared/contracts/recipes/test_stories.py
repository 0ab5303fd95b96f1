"""The rows of a run: whoever inserts a position inserts the same story."""

from dataclasses import replace

from shared.contracts.recipes.grid import read_grid
from shared.contracts.recipes.prompts import read_prompts
from shared.contracts.recipes.stories import NewStory, StorySource, build_stories

GRID = read_grid({"dynasty": ["唐", "宋"], "power": ["飞", "隐形"]})
TEMPLATE = "{{ dynasty }}朝，{{ power }}"
PARAMETERS = {"max_tokens": 40, "temperature": 1.0}
SOURCE = StorySource(GRID, TEMPLATE, read_prompts(TEMPLATE, None), "completion", 3, "gemma", PARAMETERS)


def rows_of(source: StorySource) -> list[NewStory]:
    """All rows of a run."""
    return list(build_stories(source, 0, source.grid.cell_count * source.repeats))


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
    assert row.row_key == "0b2bcfd3fb6d94715a8de428b2ffd32e132d7351582d13ce8824c1b2cf55dbb2"


def test_a_row_is_known_by_what_shapes_its_answer_and_by_nothing_else() -> None:
    keys = {(row.attributes["dynasty"], row.attributes["power"], row.repeat): row.row_key for row in rows_of(SOURCE)}
    smaller = read_grid({"power": ["隐形", "飞"], "dynasty": ["宋"]}, None, {"skip": [{"power": "飞"}]})
    alike = replace(SOURCE, grid=smaller, repeats=2, parameters={**PARAMETERS, "user": "me", "service_tier": "flex"})
    assert {row.row_key for row in rows_of(alike)} == {keys["宋", "隐形", 0], keys["宋", "隐形", 1]}
    for change in ({"format": "chat"}, {"model": "other"}, {"parameters": {**PARAMETERS, "max_tokens": 41}}):
        assert not {row.row_key for row in rows_of(replace(SOURCE, **change))} & set(keys.values()), change
    other = "{{ dynasty }}代，{{ power }}"
    changed = replace(SOURCE, template=other, prompts=read_prompts(other, None))
    assert not {row.row_key for row in rows_of(changed)} & set(keys.values())


def test_a_row_whose_prompt_cannot_be_made_has_a_key_of_its_own() -> None:
    broken = "{% if dynasty > 1 %}{{ power }}{% endif %}"
    rows = rows_of(replace(SOURCE, template=broken, prompts=read_prompts(broken, None)))
    assert len({row.row_key for row in rows}) == 12


def test_an_extended_run_keeps_every_place_and_fills_the_rest_of_its_grid() -> None:
    extended = replace(SOURCE, repeats=6, layers=[3, 1, 2])
    rows = list(build_stories(extended, 0, 24))
    first = [(row.position, row.repeat, row.row_key) for row in build_stories(SOURCE, 0, 12)]
    assert [(row.position, row.repeat, row.row_key) for row in rows[:12]] == first
    assert [row.repeat for row in rows[12:]] == [3] * 4 + [4, 5] * 4
    assert len({row.row_key for row in rows}) == 24
    assert [row.row_key for row in build_stories(extended, 10, 18)] == [row.row_key for row in rows[10:18]]
