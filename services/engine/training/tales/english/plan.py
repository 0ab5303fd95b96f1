"""An English story before it is written: who, where, with what, in which trouble, choosing what, in which order."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from services.engine.training.tales.english.cells import EnglishCell
from services.engine.training.tales.english.facts import EnglishFacts, Keeper, Place, Season, Surprise, Trouble

Order = Literal["keeper_first", "surprise_first", "trouble_first"]
ORDERS: tuple[Order, ...] = ("keeper_first", "keeper_first", "surprise_first", "trouble_first")
"""One is drawn; what stands twice comes twice as often."""
WISH_SHARE = 0.5


@dataclass(frozen=True)
class EnglishPlan:
    """The facts of one story. `need` is what the trouble asks for and the surprise does."""

    cell: EnglishCell
    place: Place
    season: Season
    keeper: Keeper
    name: str
    pronoun: str
    wish: Sequence[str] | None
    helper: str
    surprise: Surprise
    trouble: Trouble
    need: str
    choice: str
    order: Order

    @property
    def plot(self) -> tuple[str, str]:
        """What happens, whoever does it and wherever: the trouble and how it is mended."""
        return self.trouble.name, self.need


def draw_plan(cell: EnglishCell, facts: EnglishFacts, chance: random.Random) -> EnglishPlan:
    """Draw a plan for a cell. Raises: KeyError for a value that the facts do not hold."""
    place, season = facts.places[cell.place], facts.seasons[cell.season]
    keeper, surprise = facts.keepers[cell.keeper], facts.surprises[cell.surprise]
    trouble, need = chance.choice(facts.troubles_for(surprise, place, cell.season))
    pronoun = chance.choice(list(facts.names))
    return EnglishPlan(
        cell=cell,
        place=place,
        season=season,
        keeper=keeper,
        name=chance.choice(facts.names[pronoun]),
        pronoun=pronoun,
        wish=chance.choice(keeper.wishes) if chance.random() < WISH_SHARE else None,
        helper=chance.choice(place.helpers),
        surprise=surprise,
        trouble=trouble,
        need=need,
        choice=chance.choice(surprise.choices),
        order=chance.choice(ORDERS),
    )
