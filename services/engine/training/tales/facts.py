"""What the grammar knows, read from `data/tales`: heroes, powers, monsters, kinds of fight and ways to say things."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FACTS_FOLDER = Path(__file__).parents[4] / "data" / "tales"
NOT_DEEDS = frozenset({"shows", "limit", "sea", "unhurt", "miss"})
"""Fields of a power that do not say how it answers a weakness."""
FINDING_NEEDS = frozenset({"feeling", "moves", "inside"})
"""Here the deed is to find the weakness out, so nobody tells of it before."""


@dataclass(frozen=True)
class Hero:
    """A real person: the trade, the room of the trade, and one true thing, said as a predicate."""

    dynasty: str
    name: str
    trade: str
    room: str
    fact: str
    pronoun: str


@dataclass(frozen=True)
class Wish:
    """What a hero hopes for at the start and the line at the end that answers it."""

    want: str
    answer: str


@dataclass(frozen=True)
class Power:
    """A super power: its first show, its limit, and by need how it answers a weakness."""

    name: str
    shows: Sequence[str]
    limits: Sequence[str]
    deeds: Mapping[str, Sequence[str]]
    misses: Sequence[str]
    needs_sea: bool


@dataclass(frozen=True)
class Monster:
    """A monster with one weakness; `key` is the word that tells of it, `sign` the word that tells it was answered."""

    name: str
    needs: Sequence[str]
    target: str
    key: str
    sign: str
    appears: Sequence[str]
    harm: Sequence[str]
    blocked: Sequence[str]
    weak: Sequence[str]
    result: Sequence[str]
    finish: Sequence[str]


@dataclass(frozen=True)
class Kind:
    """How a fight goes: what comes before the deed, each with beginnings of the deed, and how it ends."""

    before: Sequence[Sequence[str]]
    told: Sequence[Sequence[str]]
    after: Sequence[str]


@dataclass(frozen=True)
class Facts:
    """All of it, by name."""

    heroes: Mapping[str, Sequence[Hero]]
    wishes: Mapping[str, Sequence[Wish]]
    powers: Mapping[str, Power]
    monsters: Mapping[str, Monster]
    kinds: Mapping[str, Kind]
    misses: Mapping[str, Sequence[str]]
    ways: Mapping[str, Sequence[str]]

    def monsters_for(self, power: Power) -> list[tuple[Monster, str]]:
        """Return the monsters that a power can answer, each with the need by which it does."""
        return [(m, need) for m in self.monsters.values() for need in m.needs if need in power.deeds]


@cache
def read_facts() -> Facts:
    """Read the facts once. Raises: KeyError or TypeError where a file lacks a field."""
    kinds = read_table("kinds")
    misses = kinds.pop("miss")
    return Facts(
        heroes={name: [_read_hero(name, row) for row in rows] for name, rows in read_table("heroes").items()},
        wishes={room: [Wish(**row) for row in rows] for room, rows in read_table("trades").items()},
        powers={name: _read_power(name, row) for name, row in read_table("powers").items()},
        monsters={name: Monster(name, **row) for name, row in read_table("monsters").items()},
        kinds={name: Kind(**row) for name, row in kinds.items()},
        misses=misses,
        ways=read_table("ways"),
    )


def read_table(name: str) -> dict[str, Any]:
    """Read a file of the facts' folder, named without its ending."""
    return tomllib.loads((FACTS_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def _read_hero(dynasty: str, row: Sequence[str]) -> Hero:
    name, trade, room, fact, *pronoun = row
    return Hero(dynasty, name, trade, room, fact, pronoun[0] if pronoun else "他")


def _read_power(name: str, row: Mapping[str, Any]) -> Power:
    deeds = {need: clauses for need, clauses in row.items() if need not in NOT_DEEDS}
    return Power(name, row["shows"], row["limit"], deeds, row.get("miss", ()), row.get("sea", False))
