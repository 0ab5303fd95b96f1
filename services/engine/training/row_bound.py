"""How much one row of a file may be, and how many rows are read of it: the engine reads files beside its loop, which a
parser would hold up to its end."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Self

from services.engine.json_cost import JsonBound
from services.engine.training.settings import SETTING_PREFIX, TrainingSettings

LINES_PER_EXAMPLE = 10
"""Blank ones included: of a file with more lines than so many times the examples allowed, the rest is not read."""


@dataclass(frozen=True, slots=True)
class RowBound:
    """Of a row: bytes, and what stands in its JSON. Of a file: `most_rows`, good and bad."""

    most_bytes: int
    json: JsonBound
    most_rows: int

    @classmethod
    def of(cls, settings: TrainingSettings) -> Self:
        """Return what the settings say."""
        names = f"{SETTING_PREFIX}ROW_NODES", f"{SETTING_PREFIX}ROW_VALUES"
        return cls(
            settings.row_bytes, JsonBound(settings.row_nodes, settings.row_values, *names), settings.maximum_examples
        )

    @property
    def most_lines(self) -> int:
        """Lines of a file that are read, blank ones included."""
        return self.most_rows * LINES_PER_EXAMPLE

    def read_lines(self, source: IO[bytes]) -> Iterator[bytes]:
        """Yield every line, of one that is too long its beginning, which is too long too."""
        while line := source.readline(self.most_bytes + 1):
            rest = line
            while len(rest) > self.most_bytes and not rest.endswith(b"\n"):
                rest = source.readline(self.most_bytes + 1)
            yield line

    def find_excess(self, line: bytes) -> str | None:
        """Return what is too much in a line, as the end of a sentence; None when it may be parsed."""
        if len(line) - line.endswith(b"\n") > self.most_bytes:
            return f"more than {self.most_bytes} bytes ({SETTING_PREFIX}ROW_BYTES)"
        return self.json.find_excess(line)
