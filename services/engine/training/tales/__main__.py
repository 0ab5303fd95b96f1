"""Tells plain stories: `python -m services.engine.training.tales --count 5000 --seed 1 --output stories.csv`."""

import argparse
import csv
import random
from collections.abc import Iterator, Sequence
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the stories as a CSV file with the columns of data/samples."""
    parser = argparse.ArgumentParser(prog="tales", description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    with options.output.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for story in tell_tales(options.count, options.seed):
            cell = story.cell
            rows.writerow((cell.dynasty, cell.super_power, cell.story_type, story.text))


if __name__ == "__main__":
    main()
