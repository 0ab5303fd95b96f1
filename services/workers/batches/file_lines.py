"""The lines of a batch's file, read one at a time and never longer than allowed. Blocking: call it in a thread."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class FileLine:
    """One line that says something."""

    number: int
    """From 1, as editors count; blank lines count, too."""
    content: bytes
    is_cut: bool
    """It is longer than allowed, and this is its beginning."""


def iterate_file_lines(source: IO[bytes], most_bytes: int) -> Iterator[FileLine]:
    """Yield every line that is not blank."""
    number = 0
    while line := source.readline(most_bytes + 1):
        number += 1
        is_cut = len(line) > most_bytes and not line.endswith(b"\n")
        rest = line
        while is_cut and rest and not rest.endswith(b"\n"):
            rest = source.readline(most_bytes + 1)
        content = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
        if content.strip():
            yield FileLine(number, content, is_cut)
