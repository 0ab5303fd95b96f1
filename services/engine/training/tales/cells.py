"""For which cells tales are told: all that the facts know, but those that are kept for measuring."""

import random
from collections.abc import Iterator
from itertools import product

from services.engine.training.sample_stories import ARTICLE_CELLS, Cell, unseen_cells
from services.engine.training.tales.drawing import draw_evenly
from services.engine.training.tales.facts import read_facts

KEPT_PAIR = (ARTICLE_CELLS[0].dynasty, ARTICLE_CELLS[0].super_power)
"""The article asks for it to see a power that the model was never shown with this dynasty: so it shall be."""


def tale_cells() -> list[Cell]:
    """Return every cell that a tale may be learned for, in the facts' order: no unseen one of the pattern check."""
    facts, kept = read_facts(), set(unseen_cells())
    every = (Cell(*values) for values in product(facts.heroes, facts.powers, facts.kinds))
    return [cell for cell in every if cell not in kept and (cell.dynasty, cell.super_power) != KEPT_PAIR]


def draw_cells(chance: random.Random) -> Iterator[Cell]:
    """Yield cells without end: each power as often as any other, whatever the number of its cells."""
    by_power: dict[str, list[Cell]] = {}
    for cell in tale_cells():
        by_power.setdefault(cell.super_power, []).append(cell)
    yield from draw_evenly(by_power, chance)
