"""Tales in numbers: the same ones for a seed, kept as a table with the columns of `data/samples`."""

import csv
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from services.engine.training.sample_stories import SampleStory
from services.engine.training.tales.cells import draw_cells
from services.engine.training.tales.writing import tell_tale

COLUMNS = ("dynasty", "super_power", "story_type", "story")


def tell_tales(count: int, seed: int) -> Iterator[SampleStory]:
    """Yield stories, no two alike: the same for a seed, and the first ones of a larger count."""
    chance = random.Random(f"tales:{seed}")  # noqa: S311 stories, not secrets
    told: set[str] = set()
    cells = draw_cells(chance)
    while len(told) < count:
        cell = next(cells)
        _, text = tell_tale(cell, chance)
        if text not in told:
            told.add(text)
            yield SampleStory(cell, text)


def write_tales(path: Path, tales: Iterable[SampleStory]) -> None:
    """Write tales as a table that `read_story_file` reads; it appears whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for tale in tales:
            rows.writerow((tale.cell.dynasty, tale.cell.super_power, tale.cell.story_type, tale.text))
    partial.replace(path)
