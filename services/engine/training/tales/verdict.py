"""What checks of sense in any language share: a verdict of yes and no, and whether a text runs in circles."""

import re
from collections import Counter
from dataclasses import asdict, dataclass

from services.engine.training.story_words import LOOP_LENGTH, has_loop


@dataclass(frozen=True)
class SenseVerdict:
    """Answers to yes/no questions, a field each."""

    @property
    def passes(self) -> bool:
        """Whether the story makes sense in every respect."""
        return all(asdict(self).values())

    @property
    def lacks(self) -> list[str]:
        """What it fails in."""
        return [name for name, holds in asdict(self).items() if not holds]


def is_told_once(text: str, breaks: str, shortest: int, loop: int = LOOP_LENGTH) -> bool:
    """Whether no sentence of `shortest` characters comes twice and no `loop` characters three times."""
    sentences = Counter(part for part in map(str.strip, re.split(f"[{breaks}\n]", text)) if len(part) >= shortest)
    return not has_loop(text, loop) and max(sentences.values(), default=0) <= 1
