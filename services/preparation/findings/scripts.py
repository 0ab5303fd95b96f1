"""Which script a text is mainly written in; kana anywhere makes it Japanese."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Enough of a text to tell its script.
LOOKED_AT_CHARACTERS = 200
NAMES = ("none", "Han", "Latin", "kana", "Hangul", "Cyrillic", "Arabic", "Greek", "Thai", "Devanagari", "Hebrew")
HAN, LATIN, KANA = 1, 2, 3
RANGES = (
    (0x41, 0x5B, LATIN), (0x61, 0x7B, LATIN), (0xC0, 0x250, LATIN), (0x1E00, 0x1F00, LATIN),
    (0x3400, 0x4DC0, HAN), (0x4E00, 0xA000, HAN), (0xF900, 0xFB00, HAN), (0x3040, 0x3100, KANA),
    (0xAC00, 0xD7B0, 4), (0x400, 0x530, 5), (0x600, 0x700, 6), (0x370, 0x400, 7), (0xE00, 0xE80, 8),
    (0x900, 0x980, 9), (0x590, 0x600, 10),
)  # fmt: skip
# A Han character says about as much as three or four Latin letters.
WEIGHTS = (0, 3, 1, 8, 2, 1, 1, 1, 1, 1, 1)


@lru_cache(maxsize=1)
def _script_table() -> NDArray[np.uint8]:
    table = np.zeros(0x10000, np.uint8)
    for start, end, script in RANGES:
        table[start:end] = script
    return table


def dominant_scripts(texts: list[str]) -> NDArray[np.uint8]:
    """An index into NAMES per text; 0 where a text has no letters."""
    if not texts:
        return np.zeros(0, np.uint8)
    heads = [text[:LOOKED_AT_CHARACTERS] + "\n" for text in texts]  # the line feed keeps every slice non-empty
    codes = np.frombuffer("".join(heads).encode("utf-32-le"), "<u4")
    kinds = _script_table()[np.minimum(codes, 0xFFFF)]
    starts = np.cumsum([0, *map(len, heads[:-1])])
    counts = [
        weight * np.add.reduceat(kinds == script, starts, dtype=np.int32) for script, weight in enumerate(WEIGHTS)
    ]
    strongest: NDArray[np.uint8] = np.argmax(np.stack(counts), axis=0).astype(np.uint8)
    return strongest
