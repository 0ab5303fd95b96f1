"""Where readers put what they find: rows, lines that could not be read, and small repairs made on the way."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.preparation.rows.row_batches import ROWS_PER_BATCH, RowBatch
from services.preparation.rows.row_store import RowStore

# More than anyone reads; the total is counted beyond it.
KEPT_PROBLEMS = 1000
KEPT_NOTES = 1000


@dataclass(frozen=True, slots=True)
class ReadingProblem:
    """A piece of the source that gave no row: where, why, and the piece itself so that nothing is lost."""

    code: str
    line: int
    column: int
    message: str
    raw: str = ""


@dataclass(frozen=True, slots=True)
class ReadingNote:
    """A row that was read, but not as it stands in the source (`code` says how it was changed)."""

    code: str
    row_id: int
    line: int
    message: str


class RowSink(Protocol):
    """What a reader writes into."""

    def name_columns(self, columns: list[str]) -> None:
        """Tell the columns or keys of the source, in order, before the first row."""

    def add(self, line: int, prompt: str, completion: str, record: str = "", extras: tuple[str, ...] = ()) -> None:
        """Add a row. `extras` follow the columns named beside prompt and completion."""

    def add_many(
        self, lines: Sequence[int], prompts: list[str], completions: list[str], extras: list[tuple[str, ...]]
    ) -> None:
        """Add plain rows; `extras` are columns here, in the order of the names."""

    def reject(self, problem: ReadingProblem) -> None:
        """Report a piece that gave no row."""

    def note(self, code: str, line: int, message: str) -> None:
        """Report a change made while reading; it concerns the row that is added next."""

    def note_set(self, code: str, detail: str) -> None:
        """Report something about the file as a whole; of several reports of a code the first counts."""


@dataclass(slots=True)
class StoreSink:
    """Collects rows into a store, and the first problems and notes; counts the rest. Of the notes beyond the first ones
    only the rows are kept, which fixes need: eight bytes a row."""

    store: RowStore
    columns: list[str] = field(default_factory=list)
    extra_names: list[str] = field(default_factory=list)
    problems: list[ReadingProblem] = field(default_factory=list)
    problem_count: int = 0
    notes: list[ReadingNote] = field(default_factory=list)
    note_count: int = 0
    noted: dict[str, "array[int]"] = field(default_factory=dict)
    """Ids of the rows that were noted, by code, ascending, each once."""
    set_notes: dict[str, str] = field(default_factory=dict)
    next_id: int = 0
    _lines: list[int] = field(default_factory=list)
    _prompts: list[str] = field(default_factory=list)
    _completions: list[str] = field(default_factory=list)
    _records: list[str] = field(default_factory=list)
    _extras: list[tuple[str, ...]] = field(default_factory=list)

    def name_columns(self, columns: list[str]) -> None:
        """Take the file's header: which columns are rows, and which go along as extras."""
        self.columns = columns
        chosen = {find_column(columns, "prompt"), find_column(columns, "completion")}
        self.extra_names = [name for i, name in enumerate(columns) if i not in chosen and name != "messages"]

    def add(self, line: int, prompt: str, completion: str, record: str = "", extras: tuple[str, ...] = ()) -> None:
        """Take one row; batches of `ROWS_PER_BATCH` go to the store."""
        self._lines.append(line)
        self._prompts.append(prompt)
        self._completions.append(completion)
        self._records.append(record)
        self._extras.append(extras)
        self.next_id += 1
        if len(self._lines) == ROWS_PER_BATCH:
            self.flush()

    def add_many(
        self, lines: Sequence[int], prompts: list[str], completions: list[str], extras: list[tuple[str, ...]]
    ) -> None:
        """Take a batch of rows by columns, after those that wait; `extras` is a list a row."""
        if not lines:
            return
        self.flush()
        count = len(lines)
        ids = list(range(self.next_id, self.next_id + count))
        named = {name: list(values) for name, values in zip(self.extra_names, extras, strict=True)}
        self.store.append(RowBatch(ids, lines, prompts, completions, [""] * count, named))
        self.next_id += count

    def reject(self, problem: ReadingProblem) -> None:
        """Count a row that cannot be used; the first `KEPT_PROBLEMS` are kept with their reason."""
        self.problem_count += 1
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append(problem)

    def note(self, code: str, line: int, message: str) -> None:
        """Remember what was changed on the way in, at the row that comes next."""
        self.note_count += 1
        rows = self.noted.setdefault(code, array("q"))
        if not rows or rows[-1] != self.next_id:
            rows.append(self.next_id)
        if len(self.notes) < KEPT_NOTES:
            self.notes.append(ReadingNote(code, self.next_id, line, message))

    def note_set(self, code: str, detail: str) -> None:
        """Remember what is to be said of the file as a whole."""
        self.set_notes.setdefault(code, detail)

    def flush(self) -> None:
        """Hand the waiting rows to the store. Call once more after the last row."""
        count = len(self._lines)
        if not count:
            return
        first = self.next_id - count
        extras = {
            name: [row[i] if i < len(row) else "" for row in self._extras] for i, name in enumerate(self.extra_names)
        }
        ids = list(range(first, first + count))
        self.store.append(RowBatch(ids, self._lines, self._prompts, self._completions, self._records, extras))
        self._lines, self._prompts, self._completions = [], [], []
        self._records, self._extras = [], []


def find_column(columns: list[str], name: str) -> int | None:
    """The position of the column called `name`: exactly, else in any case; None when there is none."""
    if name in columns:
        return columns.index(name)
    return next((i for i, column in enumerate(columns) if column.lower() == name), None)
