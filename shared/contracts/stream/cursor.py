"""Where a viewer stands in a stream: the attempt, and the sequence number inside it."""

import re
from typing import NamedTuple

from shared.contracts.stream.errors import InvalidCursorError

CURSOR_PATTERN = re.compile(r"(0|[1-9][0-9]{0,8})-(0|[1-9][0-9]{0,15})")
"""Digits only, no leading zeros, so that a cursor has one spelling; both parts fit a 64-bit entry id."""


class Cursor(NamedTuple):
    """A position, ordered as the pair (a tuple: it is compared and hashed for every viewer of every frame).

    Its text, `a-s`, is also the id of the entry in the Redis log."""

    attempt: int
    seq: int

    def __str__(self) -> str:
        return f"{self.attempt}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read `a-s`. Raises: InvalidCursorError for any other text."""
        match = CURSOR_PATTERN.fullmatch(text)
        if match is None:
            raise InvalidCursorError(f"'{text[:40]}' is not a cursor like 1-42.", param="from")
        return cls(int(match[1]), int(match[2]))

    def next(self) -> "Cursor":
        """Return the cursor that follows inside the attempt."""
        return Cursor(self.attempt, self.seq + 1)

    def is_followed_by(self, first: "Cursor") -> bool:
        """Say whether a frame that begins at `first` leaves no hole after this cursor.

        A later attempt follows only by a rewind or a snapshot; the very first text follows the start."""
        if self == START:
            return first in {Cursor(0, 1), Cursor(1, 1)}
        return first.attempt == self.attempt and first.seq == self.seq + 1


START = Cursor(0, 0)
"""Nothing seen yet."""

NOWHERE = Cursor(-1, 0)
"""Where a viewer stands whose own cursor means nothing here: what it gets next is a snapshot."""
