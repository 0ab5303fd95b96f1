"""What a person says about a file before it is read. Nothing said: the file tells."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ReadingChoices:
    """`encoding` is any name that Python knows; `sheet` a name, or a number from 1; fields are paths such as
    `messages.0.content`, several of a prompt with commas between."""

    encoding: str | None = None
    sheet: str | None = None
    prompt_field: str | None = None
    completion_field: str | None = None

    @property
    def names_fields(self) -> bool:
        """Whether prompt or completion stand under other names."""
        return self.prompt_field is not None or self.completion_field is not None


NO_CHOICES: Final = ReadingChoices()
