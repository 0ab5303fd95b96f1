"""What a person says about a file before it is read. Nothing said: the file tells."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ReadingChoices:
    """`encoding` is any name that Python knows."""

    encoding: str | None = None


NO_CHOICES: Final = ReadingChoices()
