"""Rows in batches, as everything in the preparation walks over them; nothing holds all texts of a large file at once.

A row's id is its position among the readable rows of its source and never changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

ROWS_PER_BATCH: Final = 1024
REJECTED_COLUMN: Final = "rejected"
"""Of preference pairs: the text that people did not like, beside the liked one, which is the completion."""


@dataclass(slots=True)
class RowBatch:
    """Consecutive rows. `records` holds the chat line as JSON, or "" for prompt-completion rows.

    `ids` are ascending; `lines` are 1-based source lines (sheet or table rows where there are no lines).
    """

    ids: list[int]
    lines: Sequence[int]
    prompts: list[str]
    completions: list[str]
    records: list[str]
    extras: dict[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def characters(self) -> int:
        """The size of the texts, chat lines and further columns included, in characters."""
        columns = (self.prompts, self.completions, self.records, *self.extras.values())
        return sum(sum(map(len, column)) for column in columns)

    def select(self, positions: list[int]) -> "RowBatch":
        """A batch of the rows at these positions of this batch, in the given order."""
        return RowBatch(
            ids=[self.ids[i] for i in positions],
            lines=[self.lines[i] for i in positions],
            prompts=[self.prompts[i] for i in positions],
            completions=[self.completions[i] for i in positions],
            records=[self.records[i] for i in positions],
            extras={name: [values[i] for i in positions] for name, values in self.extras.items()},
        )
