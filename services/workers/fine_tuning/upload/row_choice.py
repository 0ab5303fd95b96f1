"""Which rows of several JSON-lines files make a mixed one: a share of each, no row twice, shuffled by a seed.

Keeps a number and a place for each row in memory, never the rows. Knows no database."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from shared.texts.reading_turns import in_turns


@dataclass(frozen=True, slots=True)
class RowSource:
    """A file, and how much of it to take: 1.0 for all."""

    path: Path
    share: float


@dataclass(frozen=True, slots=True)
class MixedFile:
    """What was taken: for each source the first bytes of its rows."""

    starts: tuple[tuple[int, ...], ...]


class Row(NamedTuple):
    """A row of a source; ordered by a number that is as good as drawn."""

    draw: bytes
    source: int
    start: int
    size: int


def mix_rows(sources: Sequence[RowSource], seed: int, target: Path) -> MixedFile:
    """Write the chosen rows to `target` and say which they are. A row that an earlier source holds is not taken again,
    and does not count in the share of its own. Blank lines are no rows."""
    seen: set[bytes] = set()
    chosen: list[Row] = []
    for number, source in enumerate(sources):
        rows = sorted(list_new_rows(source.path, number, seed, seen))
        chosen += rows[: round(len(rows) * source.share)]
    chosen.sort()
    write_rows([source.path for source in sources], chosen, target)
    return MixedFile(
        tuple(tuple(sorted(row.start for row in chosen if row.source == number)) for number in range(len(sources)))
    )


def list_new_rows(path: Path, source: int, seed: int, seen: set[bytes]) -> Iterator[Row]:
    """Yield the rows of a file that no earlier one holds; the first file keeps its own repetitions."""
    start = 0
    with path.open("rb") as lines:
        for line in in_turns(lines):
            content = line.strip()
            digest = hashlib.blake2b(content, digest_size=16).digest()
            if content and (source == 0 or digest not in seen):
                seen.add(digest)
                draw = hashlib.blake2b(digest, key=str(seed).encode(), digest_size=16).digest()
                yield Row(draw, source, start, len(line))
            start += len(line)


def write_rows(paths: Sequence[Path], rows: Sequence[Row], target: Path) -> None:
    """Write rows in their order, one a line."""
    opened = [path.open("rb") for path in paths]
    try:
        with target.open("wb") as out:
            for row in rows:
                opened[row.source].seek(row.start)
                out.write(opened[row.source].read(row.size).strip() + b"\n")
    finally:
        for file in opened:
            file.close()
