"""The rows of a run: which story stands at which position, and under which key it is known. Gateway and workers insert
them, and a row that both insert must be the same."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared import ids
from shared.contracts.recipes.errors import TemplateError
from shared.contracts.recipes.grid import Grid
from shared.contracts.recipes.keys import row_key
from shared.contracts.recipes.prompts import RowPrompts


@dataclass(frozen=True, slots=True)
class StorySource:
    """What the rows of a run are made from; it does not change while the run lives."""

    grid: Grid
    template: str
    prompts: RowPrompts
    format: str
    repeats: int
    """Stories of each cell, in all."""
    model: str
    """The provider's name."""
    parameters: Mapping[str, Any]
    layers: Sequence[int] = ()
    """Of a run that was extended: how many of the repeats it was made with, and how many were added each time. What is
    added stands behind what was there, which keeps its place."""

    def key_of(self, attributes: Mapping[str, Any], repeat: int) -> str:
        """Return the key of a row. One whose prompt cannot be made is known by what it would be made of."""
        prompt: str | list[Any]
        try:
            prompt = self.prompts.render(attributes, repeat)
        except TemplateError:
            prompt = [self.template, dict(attributes)]
        return row_key(prompt, self.format, repeat, self.model, self.parameters)

    def locate(self, position: int) -> tuple[int, int]:
        """Return the cell and the repeat at a position."""
        start, first = 0, 0
        for repeats in self.layers[:-1]:
            if position - start < self.grid.cell_count * repeats:
                cell, repeat = divmod(position - start, repeats)
                return cell, first + repeat
            start, first = start + self.grid.cell_count * repeats, first + repeats
        cell, repeat = divmod(position - start, self.repeats - first)
        return cell, first + repeat


@dataclass(frozen=True, slots=True)
class NewStory:
    """One (cell, repeat) of a grid."""

    id: str
    position: int
    repeat: int
    row_key: str
    attributes: Mapping[str, Any]


def build_stories(source: StorySource, start: int, stop: int) -> Iterator[NewStory]:
    """Yield the rows of positions start … stop−1: cell after cell, and in each repeat after repeat; those of a later
    layer behind all of the earlier ones."""
    for position in range(start, stop):
        cell, repeat = source.locate(position)
        attributes = source.grid.cell(cell)
        yield NewStory(ids.new_id(ids.STORY), position, repeat, source.key_of(attributes, repeat), attributes)
