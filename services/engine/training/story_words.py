"""Words and loops of the article's stories, for the checks of told ones. Knows no model."""

from collections import Counter
from collections.abc import Iterable

LOOP_LENGTH = 10
"""In characters. Three times the same ten: no sample story does that."""
LOOP_COUNT = 3
ENDINGS = "。！？”…"


def words_for(dynasty: str) -> Iterable[str]:
    """Ways to name a dynasty: 宋朝, 宋代, 北宋, 大宋 …; names of two characters and more stand for themselves."""
    if len(dynasty) > 1:
        return [dynasty]
    return [f"{dynasty}{end}" for end in "朝代国"] + [f"{start}{dynasty}" for start in "大东西南北曹"]


def has_loop(text: str, length: int = LOOP_LENGTH) -> bool:
    """Whether some `length` characters come three times or more."""
    pieces = Counter(text[start : start + length] for start in range(len(text) - length + 1))
    return max(pieces.values(), default=0) >= LOOP_COUNT
