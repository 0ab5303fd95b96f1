"""The grid of a recipe: every combination of its attributes' values, computed cell by cell from an index."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from shared.contracts.recipes.axis import Axis, Scalar, count_values, read_axis
from shared.contracts.recipes.errors import GridError
from shared.contracts.recipes.sampling import shuffle_place
from shared.contracts.recipes.skips import AllowedCells, read_skips

MAX_ATTRIBUTES: Final = 32
ATTRIBUTE_NAME: Final = re.compile(r"[^\W\d]\w{0,63}")
RESERVED_NAMES: Final = frozenset(
    {"true", "false", "none", "True", "False", "None", "loop", "self", "and", "or", "not"}
)


@dataclass(frozen=True, slots=True)
class Sample:
    """So many cells of a grid, drawn at random."""

    cells: int
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells 0 … cell_count−1, the last attribute turning fastest, or in the order of a draw. No attributes make one
    empty cell."""

    axes: tuple[Axis, ...]
    allowed: AllowedCells | None = None
    """None where no cell is skipped."""
    sample: Sample | None = None

    @property
    def cell_count(self) -> int:
        """How many cells there are (may be astronomically many; nothing is built)."""
        return self.sample.cells if self.sample else self.whole_count

    @property
    def whole_count(self) -> int:
        """How many cells there are to draw from."""
        return self.allowed.count if self.allowed else math.prod(axis.length for axis in self.axes)

    @property
    def names(self) -> tuple[str, ...]:
        """The attribute names in order."""
        return tuple(axis.name for axis in self.axes)

    def cell(self, index: int) -> dict[str, Scalar]:
        """Return the attributes of a cell, in order. Raises: IndexError outside the grid."""
        if not 0 <= index < self.cell_count:
            raise IndexError(f"cell {index} of {self.cell_count}")
        if self.sample:
            index = shuffle_place(index, self.whole_count, self.sample.seed)
        places = self.allowed.find(index) if self.allowed else self._find_places(index)
        return {axis.name: axis.value(place) for axis, place in zip(self.axes, places, strict=True)}

    def _find_places(self, index: int) -> list[int]:
        places: list[int] = []
        for axis in reversed(self.axes):
            index, place = divmod(index, axis.length)
            places.append(place)
        return places[::-1]

    def cells(self, start: int = 0, stop: int | None = None) -> Iterator[dict[str, Scalar]]:
        """Yield the cells from `start` up to, not including, `stop`, one at a time."""
        for index in range(start, self.cell_count if stop is None else min(stop, self.cell_count)):
            yield self.cell(index)

    def longest_cell(self) -> dict[str, Scalar]:
        """Return the attributes whose texts are longest: what a template's size limit is tried on."""
        return {axis.name: axis.longest_value() for axis in self.axes}


def count_cells(attributes: Mapping[str, Any], selection: Mapping[str, Any] | None = None) -> int:
    """Return how many cells a stored recipe's grid has: `read_grid` without its checks, which it passed once."""
    if selection:
        return int(selection["cells"])
    return math.prod(count_values(spec) for spec in attributes.values())


def read_grid(
    attributes: Mapping[str, Any], names: Sequence[str] | None = None, selection: Mapping[str, Any] | None = None
) -> Grid:
    """Return the grid of attribute specifications (see `axis`), in the order of `names` when given: JSONB forgets
    order, so a stored recipe version keeps it in `attribute_names`. `selection` says which cells of it: what to `skip`
    (see `skips`), and a `sample`. Raises: GridError with the attribute that is at fault."""
    if len(attributes) > MAX_ATTRIBUTES:
        raise GridError(f"attributes: at most {MAX_ATTRIBUTES} are allowed, not {len(attributes)}.", param="attributes")
    check_names("attributes", attributes)
    axes = tuple(read_axis(name, attributes[name]) for name in (attributes if names is None else names))
    chosen = selection or {}
    allowed = read_skips(axes, chosen["skip"]) if chosen.get("skip") else None
    return draw_sample(Grid(axes, allowed), chosen["sample"]) if chosen.get("sample") else Grid(axes, allowed)


def draw_sample(grid: Grid, spec: Mapping[str, int]) -> Grid:
    """Return a sample of a grid. Raises: GridError when it has not so many cells."""
    sample = Sample(**spec)
    if sample.cells > grid.whole_count:
        message = f"sample.cells: {sample.cells} are to be drawn, and the grid has {grid.whole_count}."
        raise GridError(message, param="sample.cells")
    return replace(grid, sample=sample)


def check_names(field: str, names: Iterable[str]) -> None:
    """Refuse names that a template could not say. Raises: GridError with the field."""
    for name in names:
        if not ATTRIBUTE_NAME.fullmatch(name) or name.startswith("_") or name in RESERVED_NAMES:
            raise GridError(
                f"{field}: {name!r} is no name that a template can use: letters, digits and underscores, "
                "a letter first, at most 64 characters, no word of the template language.",
                param=field,
            )
