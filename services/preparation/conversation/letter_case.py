"""Counts of upper- and lower-case letters, a batch at a time (per-character Python is what made the old tool slow)."""

from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

UPPER, LOWER, SURROGATE = 1, 2, 3
# Where letters with case are: none lies between these ranges or above (a test checks every code point).
CASED_RANGES = (
    (0, 0x2E80),
    (0xA640, 0xAC00),
    (0xFB00, 0x10000),
    (0x10400, 0x10E00),
    (0x11800, 0x11900),
    (0x16E40, 0x16EC0),
    (0x1D400, 0x1F200),
)
ASCII_UPPER = bytes(range(ord("A"), ord("Z") + 1))
ASCII_LOWER = bytes(range(ord("a"), ord("z") + 1))


@lru_cache(maxsize=1)
def _case_table() -> NDArray[np.uint8]:
    table = np.zeros(0x110000, dtype=np.uint8)
    for code in chain.from_iterable(range(*bounds) for bounds in CASED_RANGES):
        character = chr(code)
        if character.isalpha():
            table[code] = UPPER if character.isupper() else LOWER if character.islower() else 0
    table[0xD800:0xE000] = SURROGATE
    return table


def count_case(text: str) -> tuple[int, int]:
    """(upper-case letters, lower-case letters) as `str.isupper` and `str.islower` see single characters."""
    if text.isascii():
        letters = text.encode()
        return (
            len(letters) - len(letters.translate(None, ASCII_UPPER)),
            len(letters) - len(letters.translate(None, ASCII_LOWER)),
        )
    kinds = _cased(np.frombuffer(text.encode("utf-16-le"), dtype="<u2"))
    if (kinds == SURROGATE).any():  # characters beyond the basic plane: look at whole code points
        kinds = _cased(np.frombuffer(text.encode("utf-32-le"), dtype="<u4"))
    upper = int(np.count_nonzero(kinds == UPPER))
    return upper, int(np.count_nonzero(kinds == LOWER))


def _cased(codes: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.uint8]:
    """The kinds of the characters that have one; few are left of a Chinese text."""
    kinds: NDArray[np.uint8] = np.take(_case_table(), codes)
    cased: NDArray[np.uint8] = kinds[kinds != 0]
    return cased
