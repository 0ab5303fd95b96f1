"""A story before it is written: who, where, wanting what, with which power against which monster, in which order."""

import random
from dataclasses import dataclass
from typing import Literal

from services.engine.training.sample_stories import Cell
from services.engine.training.tales.facts import FINDING_NEEDS, Facts, Hero, Monster, Power, Wish

Order = Literal["hero_first", "monster_first", "power_in_need", "friends_first"]
ORDERS: tuple[Order, ...] = ("hero_first", "hero_first", "monster_first", "power_in_need", "friends_first")
"""One is drawn; what stands twice comes twice as often."""
WISH_SHARE = 0.6


@dataclass(frozen=True)
class Plan:
    """The facts of one story. `need` is what the monster's weakness asks for and the power does."""

    cell: Cell
    hero: Hero
    place: str
    wish: Wish | None
    power: Power
    monster: Monster
    need: str
    order: Order

    @property
    def plot(self) -> tuple[str, str]:
        """What happens, whoever does it and wherever: the monster and how it is answered."""
        return self.monster.name, self.need

    @property
    def power_finds_out(self) -> bool:
        """Whether the weakness is found out by the power itself."""
        return self.need in FINDING_NEEDS


def draw_plan(cell: Cell, facts: Facts, chance: random.Random) -> Plan:
    """Draw a plan for a cell. Raises: KeyError for a dynasty, power or kind that the facts do not hold."""
    power = facts.powers[cell.super_power]
    hero = chance.choice(facts.heroes[cell.dynasty])
    monster, need = chance.choice(facts.monsters_for(power))
    place = chance.choice(facts.ways["sea_places" if power.needs_sea else "places"])
    wish = chance.choice(facts.wishes[hero.room]) if chance.random() < WISH_SHARE else None
    return Plan(cell, hero, place, wish, power, monster, need, chance.choice(ORDERS))
