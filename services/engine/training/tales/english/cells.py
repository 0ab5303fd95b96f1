"""For which cells English tales are told: all that the facts know, but those that are kept for measuring."""

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import cache
from itertools import product
from pathlib import Path

from services.engine.training.tales.drawing import draw_evenly
from services.engine.training.tales.english.facts import read_facts

RECIPE = Path(__file__).parents[5] / "data" / "recipes" / "lighthouse.json"
KEPT_COUNT = 30
"""As many as readers are asked about."""


@dataclass(frozen=True)
class EnglishCell:
    """One combination of the grid; the fields are the recipe's attributes."""

    place: str
    season: str
    keeper: str
    surprise: str

    @property
    def rank(self) -> str:
        """A fixed pseudo-random order of cells, that does not change when cells are added."""
        return hashlib.sha256(",".join(astuple(self)).encode()).hexdigest()


@dataclass(frozen=True)
class EnglishTale:
    """A cell and the story told for it."""

    cell: EnglishCell
    text: str


@cache
def recipe_cells() -> list[EnglishCell]:
    """Return the recipe's own grid."""
    grid = json.loads(RECIPE.read_text(encoding="utf-8"))["attributes"]
    return [EnglishCell(**dict(zip(grid, values, strict=True))) for values in product(*grid.values())]


def kept_cells() -> list[EnglishCell]:
    """Return the cells of the recipe for which no tale may be learned, in a fixed shuffled order."""
    return sorted(recipe_cells(), key=lambda cell: cell.rank)[:KEPT_COUNT]


def english_cells() -> list[EnglishCell]:
    """Return every cell that a tale may be learned for, in the facts' order."""
    facts, kept = read_facts(), set(kept_cells())
    every = product(facts.places, facts.seasons, facts.keepers, facts.surprises)
    return [cell for values in every if (cell := EnglishCell(*values)) not in kept]


def draw_cells(chance: random.Random) -> Iterator[EnglishCell]:
    """Yield cells without end, each surprise as often as any other."""
    by_surprise: dict[str, list[EnglishCell]] = {}
    for cell in english_cells():
        by_surprise.setdefault(cell.surprise, []).append(cell)
    return draw_evenly(by_surprise, chance)
