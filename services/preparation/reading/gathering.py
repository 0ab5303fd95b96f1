"""Several sources as one set of rows, each row knowing its source and line."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from services.preparation.conversation.column_checks import check_column
from services.preparation.errors import DatasetError, UnusableRowsError
from services.preparation.findings.board import MarkBoard
from services.preparation.orders.preparation_order import Order, SourceOrder
from services.preparation.reading.corrected_copy import CorrectedCopy, write_corrected_copy
from services.preparation.reading.read_file import ReadFile, read_file
from services.preparation.reading.table_header import suggest_columns
from services.preparation.rows.formats import TrainingFormat, to_chat, to_completion
from services.preparation.rows.preference import INPUT_COLUMN, split_pairs
from services.preparation.rows.row_batches import REJECTED_COLUMN, RowBatch
from services.preparation.rows.row_store import RowStore
from shared.texts.finish_reasons import REASON_COLUMN


class BadSourceError(DatasetError):
    """Lines of a source could not be read. The good rows and the bad pieces lie in `copy`."""

    code = "bad_source"

    def __init__(self, message: str, line: int, column: int, source: int, copy: CorrectedCopy) -> None:
        super().__init__(message, line, column)
        self.source = source
        self.copy = copy


@dataclass(slots=True)
class GatheredRows:
    """The rows of all sources; a row's id is its position. `sources` and `lines` have one entry per row."""

    store: RowStore
    target: TrainingFormat
    is_chat: bool
    board: MarkBoard = field(default_factory=MarkBoard)
    sources: "array[int]" = field(default_factory=lambda: array("l"))
    lines: "array[int]" = field(default_factory=lambda: array("q"))

    def add(self, source: int, name: str, read: ReadFile, batches: Iterable[RowBatch], stratify: str | None) -> None:
        """Add the rows of one source, with what reading noticed. `name` is what people call it."""
        for code, detail in read.set_notes.items():
            told = self.board.details.get(code)
            self.board.mark_set(code, f"{told}; {name}: {detail}" if told else f"{name}: {detail}")
        noted = {code: set(rows) for code, rows in read.noted.items()}
        for batch in batches:
            start = self.store.row_count
            for code, rows in noted.items():
                self.board.mark(code, [start + at for at, row_id in enumerate(batch.ids) if row_id in rows])
            ids = list(range(start, start + len(batch)))
            self.store.append(replace(batch, ids=ids, extras=keep_extras(batch, stratify)))
            self.sources.extend([source] * len(batch))
            self.lines.extend(batch.lines)


def keep_extras(batch: RowBatch, stratify: str | None) -> dict[str, list[str]]:
    """Return the columns that matter beside the texts; every batch gets the same ones, whatever its source has."""
    pairs = [name for name in (INPUT_COLUMN, REJECTED_COLUMN) if name in batch.extras]
    names = [REASON_COLUMN, *([stratify] if stratify else []), *pairs]
    return {name: batch.extras.get(name, [""] * len(batch)) for name in names}


def gather_rows(order: Order, folder: Path) -> GatheredRows:
    """Read every source into one store.

    Raises:
        BadSourceError: lines cannot be read; corrected copies are written into `folder`.
        UnusableRowsError: a source lacks a column.
        UnreadableFileError: a source is no file of a known kind.
    """
    reads: list[ReadFile] = []
    try:
        for index, source in enumerate(order.sources):
            reads.append(read_source(source))
            refuse_bad(index, source, reads[-1], folder)
        return join_sources(order, reads)
    finally:
        for read in reads:
            read.store.close()


def read_source(source: SourceOrder) -> ReadFile:
    """Read one source; errors name it as people do. Raises: DatasetError when nothing in it can be read as rows."""
    try:
        return read_file(Path(source.path), source.choices)
    except DatasetError as error:
        error.message = error.message.replace(source.path, source.name)
        error.args = (error.message,)
        raise


def refuse_bad(index: int, source: SourceOrder, read: ReadFile, folder: Path) -> None:
    """Pass when every row was read and the columns are there. Raises: BadSourceError at the first row that was not
    read, UnusableRowsError for a missing column."""
    if read.problem_count:
        first = read.problems[0]
        raise BadSourceError(
            f"{source.name}, line {first.line}, column {first.column}: {first.message} ({first.code}). "
            f"{read.problem_count} pieces could not be read; mend the source or take the corrected copy.",
            first.line,
            first.column,
            index,
            write_corrected_copy(read.source, folder),
        )
    if not read.is_chat and not read.is_preference:
        for name in ("prompt", "completion"):
            outcome, _ = check_column(read.columns, name)
            if outcome.error:
                told = f"{source.name}: {outcome.error}.{suggest_columns(read.columns)}"
                raise UnusableRowsError(told, outcome.name)


def join_pairs(order: Order, reads: Sequence[ReadFile]) -> GatheredRows:
    """Return one store of preference pairs. Raises: UnusableRowsError for other rows, or another format."""
    if order.format not in (None, "preference"):
        name = next(source.name for source, read in zip(order.sources, reads, strict=True) if read.is_preference)
        message = (
            f"{name} holds preference pairs, which become no {order.format} rows: ask for the format 'preference'."
        )
        raise UnusableRowsError(message, "format")
    gathered = GatheredRows(RowStore(), "preference", is_chat=False)
    for index, (source, read) in enumerate(zip(order.sources, reads, strict=True)):
        if not read.is_preference:
            raise UnusableRowsError(
                f"{source.name} holds no preference pairs. The format 'preference' takes generations with reviewed "
                "stories, and jsonl files with input, preferred_output and non_preferred_output.",
                "format",
            )
        gathered.add(index, source.name, read, split_pairs(read.store.batches()), order.stratify)
    return gathered


def join_sources(order: Order, reads: Sequence[ReadFile]) -> GatheredRows:
    """Return one store of all rows: chat lines if the target is chat and any source is, else pairs."""
    if order.format == "preference" or any(read.is_preference for read in reads):
        return join_pairs(order, reads)
    target = order.format or ("chat" if all(read.is_chat for read in reads) else "completion")
    is_chat = target == "chat" and any(read.is_chat for read in reads)
    gathered = GatheredRows(RowStore(), target, is_chat)
    for index, (source, read) in enumerate(zip(order.sources, reads, strict=True)):
        batches: Iterable[RowBatch] = read.store.batches()
        if read.is_chat and not is_chat:
            batches = to_completion(batches)
        elif is_chat and not read.is_chat:
            batches = to_chat(batches, order.system)
        gathered.add(index, source.name, read, batches, order.stratify)
    return gathered
