"""Parts an answer, as it comes, into what is said and what is called. Its calls have the layout that the grammar asks
for, so no JSON has to be understood; a sign of the layout that has begun is held back until it is one, or is none."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.engine.tools.layout import BEFORE_ARGUMENTS, BEFORE_NAME, BEGIN, BETWEEN, END

SIGNS: Final = (BEGIN + BEFORE_NAME, BEFORE_ARGUMENTS, END, BETWEEN + BEGIN + BEFORE_NAME)
TEXT, NAME, ARGUMENTS, BETWEEN_CALLS = range(4)
NEXT: Final = {TEXT: NAME, NAME: ARGUMENTS, ARGUMENTS: BETWEEN_CALLS, BETWEEN_CALLS: NAME}
"""What comes after the sign that ends each part."""


@dataclass(frozen=True)
class Piece:
    """A piece of an answer: text where `call` is None, else the name that begins a call, or some of its arguments."""

    text: str
    call: int | None = None
    is_name: bool = False


class CallReader:
    """Reads one answer."""

    def __init__(self) -> None:
        self.calls = 0
        self._part = TEXT
        self._held = ""

    def push(self, text: str) -> Iterator[Piece]:
        """Yield what has become certain with some more text."""
        self._held += text
        while SIGNS[self._part] in self._held:
            before, _, self._held = self._held.partition(SIGNS[self._part])
            yield from self._tell(before, is_whole=True)
            self._part = NEXT[self._part]
        if self._part != NAME:
            certain = len(self._held) - self._count_begun()
            yield from self._tell(self._held[:certain], is_whole=False)
            self._held = self._held[certain:]

    def flush(self) -> Iterator[Piece]:
        """Yield what was held back of a text that has ended; what a cut left of a sign within a call is nothing."""
        if self._part == TEXT:
            yield from self._tell(self._held, is_whole=True)
        self._held = ""

    def _tell(self, text: str, *, is_whole: bool) -> Iterator[Piece]:
        if self._part == NAME and is_whole:
            self.calls += 1
            yield Piece(text, self.calls - 1, is_name=True)
        elif text and self._part == TEXT:
            yield Piece(text)
        elif text and self._part == ARGUMENTS:
            yield Piece(text, self.calls - 1)

    def _count_begun(self) -> int:
        """Return how many characters at the end may be the beginning of the awaited sign."""
        sign = SIGNS[self._part]
        lengths = range(min(len(sign) - 1, len(self._held)), 0, -1)
        return next((length for length in lengths if self._held.endswith(sign[:length])), 0)
