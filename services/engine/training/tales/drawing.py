"""How tales of any language are drawn: each value as often as any other, no two stories alike, words filled in."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

Drawn = TypeVar("Drawn")


class Told(Protocol):
    """A story with the cell that it was told for, a dataclass whose fields are the table's first columns."""

    @property
    def cell(self) -> Any:
        """What was asked for."""
        ...

    @property
    def text(self) -> str:
        """What was told."""
        ...


AnyTold = TypeVar("AnyTold", bound=Told)


def draw_evenly(groups: Mapping[str, Sequence[Drawn]], chance: random.Random) -> Iterator[Drawn]:
    """Yield without end, each group as often as any other, whatever its size."""
    while True:
        names = list(groups)
        chance.shuffle(names)
        yield from (chance.choice(groups[name]) for name in names)


def tell_different(count: int, tell: Callable[[], AnyTold]) -> Iterator[AnyTold]:
    """Yield stories, no two with the same text."""
    told: set[str] = set()
    while len(told) < count:
        tale = tell()
        if tale.text not in told:
            told.add(tale.text)
            yield tale


class Phrases:
    """Draws one of several ways to say something and fills in the story's words."""

    def __init__(self, words: dict[str, str], chance: random.Random) -> None:
        self.words, self._chance = words, chance

    def say(self, choices: Sequence[str]) -> str:
        """Return one of the ways. Raises: KeyError where it names a word that the story has not."""
        return self._chance.choice(choices).format(**self.words)
