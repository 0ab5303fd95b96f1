"""A story that leaves its language: a model of the demo's size does now and then. Knows no mill."""

import unicodedata
from collections.abc import Callable
from typing import Final

from storymill.cli.terminal import say

MOST_TRIES: Final = 3
MOST_FOREIGN: Final = 0.03
"""A name or two in Latin letters are no other language: three letters in a hundred."""
CHINESE: Final = "CJK "
"""How the names of Chinese characters begin."""


def has_lost_its_language(text: str) -> bool:
    """Say whether a story that was asked for in Chinese is in part another language's; no letters at all are none."""
    letters = [sign for sign in text if sign.isalpha()]
    foreign = sum(not unicodedata.name(sign, "").startswith(CHINESE) for sign in letters)
    return not letters or foreign > MOST_FOREIGN * len(letters)


def tell_again_if_lost(tell: Callable[[], str]) -> None:
    """Have a story told, and once more, saying so, while it leaves its language."""
    for _ in range(MOST_TRIES - 1):
        if not has_lost_its_language(tell()):
            return
        say("(This one left its language, as a model of this size does now and then. Once more:)", style="yellow")
    tell()
