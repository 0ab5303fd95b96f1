"""What the English grammar knows, read from `data/tales/english`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from services.engine.training.tales.facts import read_table

NOT_DEEDS = frozenset({"word", "found", "shows", "limits", "tempts", "choices"})
"""Fields of a surprise that do not say how it mends a trouble."""


@dataclass(frozen=True)
class Place:
    """Where a story happens; `has` is what troubles ask for, such as water."""

    name: str
    staying: str
    short: str
    has: Sequence[str]
    helpers: Sequence[str]
    quiet: Sequence[str]


@dataclass(frozen=True)
class Season:
    """A season, told by the air at the start, and late in the night."""

    name: str
    air: Sequence[str]
    late: Sequence[str]


@dataclass(frozen=True)
class Keeper:
    """Who finds the surprise; a wish is a longing and the line at the end that answers it."""

    name: str
    errands: Sequence[str]
    wishes: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Surprise:
    """What is found: its word, what it does at once and cannot do, and by need how it mends a trouble."""

    name: str
    word: str
    found: Sequence[str]
    shows: Sequence[str]
    limits: Sequence[str]
    tempts: Sequence[str]
    choices: Sequence[str]
    deeds: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Trouble:
    """What goes wrong that night; `key` is the word that tells what would mend it, `sign` the one that it is mended."""

    name: str
    needs: Sequence[str]
    target: str
    key: str
    sign: str
    starts: Sequence[str]
    tried: Sequence[str]
    weak: Sequence[str]
    result: Sequence[str]
    finish: Sequence[str]
    has: Sequence[str] = ()
    seasons: Sequence[str] = ()
    told: str = ""

    def can_happen(self, place: Place, season: str) -> bool:
        """Whether it can, here and at this time of the year."""
        return (not self.has or bool(set(self.has) & set(place.has))) and (not self.seasons or season in self.seasons)


@dataclass(frozen=True)
class EnglishFacts:
    """All of it, by name."""

    places: Mapping[str, Place]
    seasons: Mapping[str, Season]
    keepers: Mapping[str, Keeper]
    names: Mapping[str, Sequence[str]]
    surprises: Mapping[str, Surprise]
    troubles: Mapping[str, Trouble]
    ways: Mapping[str, Sequence[str]]

    def troubles_for(self, surprise: Surprise, place: Place, season: str) -> list[tuple[Trouble, str]]:
        """Return what a surprise can mend here and now, each with the need by which it does."""
        can = [trouble for trouble in self.troubles.values() if trouble.can_happen(place, season)]
        return [(trouble, need) for trouble in can for need in trouble.needs if need in surprise.deeds]


@cache
def read_facts() -> EnglishFacts:
    """Read the facts once. Raises: KeyError or TypeError where a file lacks a field."""
    return EnglishFacts(
        places={name: Place(name, **row) for name, row in _read("places").items()},
        seasons={name: Season(name, **row) for name, row in _read("seasons").items()},
        keepers={name: Keeper(name, **row) for name, row in _read("keepers").items()},
        names=_read("names"),
        surprises={name: _read_surprise(name, row) for name, row in _read("surprises").items()},
        troubles={name: Trouble(name, **row) for name, row in _read("troubles").items()},
        ways=_read("ways"),
    )


def _read(name: str) -> dict[str, Any]:
    return read_table(f"english/{name}")


def _read_surprise(name: str, row: Mapping[str, Any]) -> Surprise:
    deeds = {need: clauses for need, clauses in row.items() if need not in NOT_DEEDS}
    return Surprise(name, deeds=deeds, **{field: row[field] for field in NOT_DEEDS})
