"""Tales in numbers: the same ones for a seed, kept as a table with the columns of `data/samples`."""

import csv
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path

from services.engine.training.sample_stories import SampleStory
from services.engine.training.tales.cells import draw_cells
from services.engine.training.tales.drawing import Told, tell_different
from services.engine.training.tales.writing import tell_tale

COLUMNS = ("dynasty", "super_power", "story_type", "story")


def tell_tales(count: int, seed: int) -> Iterator[SampleStory]:
    """Yield stories, no two alike: the same for a seed, and the first ones of a larger count."""
    chance = random.Random(f"tales:{seed}")  # noqa: S311 stories, not secrets
    cells = draw_cells(chance)

    def tell() -> SampleStory:
        cell = next(cells)
        return SampleStory(cell, tell_tale(cell, chance)[1])

    return tell_different(count, tell)


def write_tales(path: Path, tales: Iterable[Told], columns: Sequence[str] = COLUMNS) -> None:
    """Write tales as a table, their cell's values and their text; it appears whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(columns)
        for tale in tales:
            rows.writerow((*astuple(tale.cell), tale.text))
    partial.replace(path)
