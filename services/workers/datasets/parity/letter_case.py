"""Counts of upper- and lower-case letters, a batch at a time (per-character Python is what made the old tool slow)."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

UPPER, LOWER = 1, 2
# No letter with case lies above (checked against Python's tables up to U+10FFFF by a test).
CASED_LIMIT = 0x1F200


@lru_cache(maxsize=1)
def _case_table() -> NDArray[np.uint8]:
    table = np.zeros(0x110000, dtype=np.uint8)
    for code in range(CASED_LIMIT):
        character = chr(code)
        if character.isalpha():
            table[code] = UPPER if character.isupper() else LOWER if character.islower() else 0
    return table


def count_case(text: str) -> tuple[int, int]:
    """(upper-case letters, lower-case letters) as `str.isupper` and `str.islower` see single characters."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    kinds = np.take(_case_table(), codes)
    return int(np.count_nonzero(kinds == UPPER)), int(np.count_nonzero(kinds == LOWER))
