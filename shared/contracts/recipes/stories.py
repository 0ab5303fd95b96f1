"""The rows of a run: which story stands at which position, and under which key it is known. Gateway and workers insert
them, and a row that both insert must be the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared import ids
from shared.contracts.recipes.grid import Grid
from shared.contracts.recipes.keys import row_key


@dataclass(frozen=True, slots=True)
class StorySource:
    """What the rows of a run are made from; it does not change while the run lives."""

    grid: Grid
    content_hash: str
    """Of the recipe version."""
    repeats: int
    model: str
    """The provider's name."""
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NewStory:
    """One (cell, repeat) of a grid."""

    id: str
    position: int
    repeat: int
    row_key: str
    attributes: Mapping[str, Any]


def build_stories(source: StorySource, start: int, stop: int) -> Iterator[NewStory]:
    """Yield the rows of positions start … stop−1: cell after cell, and in each repeat after repeat."""
    for position in range(start, stop):
        cell, repeat = divmod(position, source.repeats)
        attributes = source.grid.cell(cell)
        key = row_key(source.content_hash, attributes, repeat, source.model, source.parameters)
        yield NewStory(ids.new_id(ids.STORY), position, repeat, key, attributes)
