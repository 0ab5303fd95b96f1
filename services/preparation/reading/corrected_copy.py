"""A copy of the source without the pieces that could not be read, which go to a file of their own: nothing is lost."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import IO

import orjson

from services.preparation.reading.read_file import feed_rows
from services.preparation.reading.row_sink import ReadingProblem, find_column
from services.preparation.reading.source_file import SourceFile


@dataclass(frozen=True, slots=True)
class CorrectedCopy:
    """Where the readable rows and the rejected pieces went."""

    corrected: Path
    rejected: Path
    row_count: int
    rejected_count: int


def write_corrected_copy(source: SourceFile, folder: Path) -> CorrectedCopy:
    """Write NAME_corrected.csv (tables) or .jsonl and NAME_rejected.jsonl into `folder`, both UTF-8.

    Every rejected line of the second file holds line, column, reason and the piece as it stood.
    """
    stem = source.path.name.split(".")[0]
    is_table = source.format in ("csv", "tsv")
    corrected = folder / f"{stem}_corrected.{source.format if is_table else 'jsonl'}"
    rejected = folder / f"{stem}_rejected.jsonl"
    with corrected.open("w", encoding="utf-8", newline="") as good, rejected.open("wb") as bad:
        sink = _TableSink(good, bad, source.delimiter) if is_table else _LineSink(good, bad)
        feed_rows(source, sink)
    return CorrectedCopy(corrected, rejected, sink.row_count, sink.rejected_count)


@dataclass(slots=True)
class _LineSink:
    good: IO[str]
    bad: IO[bytes]
    row_count: int = 0
    rejected_count: int = 0
    extra_names: list[str] = field(default_factory=list)

    def name_columns(self, columns: list[str]) -> None:
        chosen = {find_column(columns, "prompt"), find_column(columns, "completion")}
        self.extra_names = [n for i, n in enumerate(columns) if i not in chosen and n != "messages"]

    def add(self, line: int, prompt: str, completion: str, record: str = "", extras: tuple[str, ...] = ()) -> None:
        self.row_count += 1
        if not record:
            values = {"prompt": prompt, "completion": completion}
            record = orjson.dumps({**values, **dict(zip(self.extra_names, extras, strict=False))}).decode()
        self.good.write(record + "\n")

    def add_many(
        self, lines: Sequence[int], prompts: list[str], completions: list[str], extras: list[tuple[str, ...]]
    ) -> None:
        rows = zip(*extras, strict=True) if extras else repeat(())
        for line, prompt, completion, others in zip(lines, prompts, completions, rows, strict=False):
            self.add(line, prompt, completion, "", others)

    def reject(self, problem: ReadingProblem) -> None:
        self.rejected_count += 1
        entry = {"line": problem.line, "column": problem.column, "code": problem.code}
        self.bad.write(orjson.dumps({**entry, "reason": problem.message, "raw": problem.raw}) + b"\n")

    def note(self, code: str, line: int, message: str) -> None:
        """Repairs are part of the corrected rows."""

    def note_set(self, code: str, detail: str) -> None:
        """The corrected copy is told from the source by its name alone."""


class _TableSink(_LineSink):
    """Keeps the columns and their order."""

    def __init__(self, good: IO[str], bad: IO[bytes], delimiter: str) -> None:
        super().__init__(good, bad)
        self.columns: list[str] = []
        self._writer = csv.writer(good, delimiter=delimiter, lineterminator="\n")

    def name_columns(self, columns: list[str]) -> None:
        super().name_columns(columns)
        self.columns = columns
        self._writer.writerow(columns)

    def add(self, line: int, prompt: str, completion: str, record: str = "", extras: tuple[str, ...] = ()) -> None:
        self.row_count += 1
        values = iter(extras)
        prompt_at, completion_at = find_column(self.columns, "prompt"), find_column(self.columns, "completion")
        known = {prompt_at: prompt, completion_at: completion}
        self._writer.writerow([known[i] if i in known else next(values, "") for i in range(len(self.columns))])
