"""How much one row of a client's file may be. Whoever reads such a file holds a row whole, and parses it in one go."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, Self

from shared.texts.json_cost import JsonBound

if TYPE_CHECKING:  # pydantic's settings take longer to load than a small file to prepare
    from shared.bounds import Bounds

ROW_BYTES: Final = "STORYMILL_MAX_ROW_BYTES"
JSON_NODES: Final = "STORYMILL_MAX_JSON_NODES"
JSON_VALUES: Final = "STORYMILL_MAX_JSON_VALUES"


def bound_json(bounds: "Bounds") -> JsonBound:
    """Return what the bounds say of JSON that is parsed in one go."""
    return JsonBound(bounds.max_json_nodes, bounds.max_json_values, JSON_NODES, JSON_VALUES)


@dataclass(frozen=True, slots=True)
class RowBound:
    """Bytes, and what stands in the JSON."""

    most_bytes: int
    json: JsonBound

    @classmethod
    def of(cls, bounds: "Bounds") -> Self:
        """Take from a process's bounds the two that a row has: bytes of its line, and JSON within."""
        return cls(bounds.max_row_bytes, bound_json(bounds))

    def read_line(self, source: IO[bytes]) -> bytes:
        """Return the next line, of one that is too long its beginning, which is too long too; nothing at the end."""
        line = rest = source.readline(self.most_bytes + 1)
        while len(rest) > self.most_bytes and not rest.endswith(b"\n"):
            rest = source.readline(self.most_bytes + 1)
        return line

    def read_lines(self, source: IO[bytes]) -> Iterator[bytes]:
        """Yield the lines that are left."""
        while line := self.read_line(source):
            yield line

    def find_excess(self, line: bytes) -> str | None:
        """Return what is too much in a line, as the end of a sentence; None when it may be parsed."""
        if len(line) - line.endswith(b"\n") > self.most_bytes:
            return f"more than {self.most_bytes} bytes ({ROW_BYTES})"
        return self.json.find_excess(line)
