"""English tales in numbers: the same ones for a seed, with the columns of the recipe."""

import random
from collections.abc import Iterator

from services.engine.training.tales.drawing import tell_different
from services.engine.training.tales.english.cells import EnglishTale, draw_cells
from services.engine.training.tales.english.writing import tell_tale

COLUMNS = ("place", "season", "keeper", "surprise", "story")


def tell_english_tales(count: int, seed: int) -> Iterator[EnglishTale]:
    """Yield stories, no two alike: the same for a seed, and the first ones of a larger count."""
    chance = random.Random(f"english tales:{seed}")  # noqa: S311 stories, not secrets
    cells = draw_cells(chance)

    def tell() -> EnglishTale:
        cell = next(cells)
        return EnglishTale(cell, tell_tale(cell, chance)[1])

    return tell_different(count, tell)
