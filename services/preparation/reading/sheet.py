"""One sheet of a workbook, whatever library opened it: which one is meant, where its header is, its rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from services.preparation.errors import UnreadableFileError, UnusableRowsError
from services.preparation.reading.choices import ReadingChoices
from services.preparation.reading.delimited import EMPTY_CELL_WORDS
from services.preparation.reading.json_values import ObjectReader, needs_objects
from services.preparation.reading.row_sink import RowSink, find_column
from services.preparation.reading.source_file import SourceFile
from services.preparation.reading.table_header import clean_header, is_header
from services.preparation.reading.workbook_cells import OddCell, cell_text
from services.preparation.rows.chosen_fields import describe_names

# A report may have a title and a date above its table.
ROWS_ABOVE_HEADER: Final = 10

Range = tuple[int, int, int, int]
"""First row, first column, last row, last column; from 1."""


@dataclass(slots=True)
class SheetRow:
    """Number from 1, whether it is hidden, its cells, and the columns (from 0) that a merged cell filled."""

    number: int
    is_hidden: bool
    values: list[Any]
    filled: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet that can be walked over, from its first row, as often as wanted."""

    name: str
    is_visible: bool
    walk: Callable[[], Iterator[SheetRow]]
    merged: Callable[[], Sequence[Range]]


def read_workbook_sheet(sheets: Sequence[Sheet], source: SourceFile, sink: RowSink) -> None:
    """Read the sheet that is meant, and say which others there are. Raises: UnreadableFileError when there is no such
    sheet, or it has no header."""
    sheet = _choose_sheet(sheets, source)
    others = [other.name for other in sheets if other.name != sheet.name]
    if others and source.choices.sheet is None:
        sink.note_set("other_sheets", f"`{sheet.name}` is read, and not {describe_names(others)}")
    rows = fill_merged(sheet)
    header = _find_header(rows, source.choices)
    if header is None:
        raise UnreadableFileError(f"The sheet `{sheet.name}` of {source.path} has no header row.", line=1, column=1)
    header = clean_header(header, sink)
    if needs_objects(header, source.choices):
        _read_objects(rows, header, ObjectReader(sink, source.choices), sink)
        return
    sink.name_columns(header)
    _read_rows(rows, header, sink)


def _choose_sheet(sheets: Sequence[Sheet], source: SourceFile) -> Sheet:
    """The one that a person named; else the first that is seen, unless only another has prompts and completions."""
    wanted = source.choices.sheet
    if wanted is not None:
        named = [sheet for sheet in sheets if sheet.name == wanted]
        if not named and wanted.isdecimal() and 0 < int(wanted) <= len(sheets):
            named = [sheets[int(wanted) - 1]]
        if not named:
            known = describe_names(sheet.name for sheet in sheets)
            raise UnreadableFileError(f"{source.path} has no sheet `{wanted[:80]}`; there are {known}.")
        return named[0]
    if not sheets:
        raise UnreadableFileError(f"{source.path} has no sheet with cells.")
    visible = [sheet for sheet in sheets if sheet.is_visible] or list(sheets)
    if len(visible) == 1 or _has_columns(visible[0], source.choices):
        return visible[0]
    usable = [sheet for sheet in visible[1:] if _has_columns(sheet, source.choices)]
    return usable[0] if len(usable) == 1 else visible[0]


def _has_columns(sheet: Sheet, choices: ReadingChoices) -> bool:
    header = _find_header(sheet.walk(), choices)
    return header is not None and _is_usable(header, choices)


def _is_usable(header: list[str], choices: ReadingChoices) -> bool:
    try:
        return is_header(header) or needs_objects(header, choices)
    except UnusableRowsError:
        return False


def _find_header(rows: Iterator[SheetRow], choices: ReadingChoices) -> list[str] | None:
    """The first row with a cell; or, below single cells (a title, a date), the first that names columns. The rows go
    on behind it."""
    found = ([cell_text(value) for value in row.values] for row in rows)
    above: list[list[str]] = []
    for header in islice((cells for cells in found if any(cells)), ROWS_ABOVE_HEADER):
        if len([cell for cell in header if cell]) > 1 or _is_usable(header, choices):
            return header
        above.append(header)
    return above[0] if len(above) == 1 else None


def fill_merged(sheet: Sheet) -> Iterator[SheetRow]:
    """Walk over the rows; a cell merged over several rows has its value in each of them."""
    starts: dict[int, list[Range]] = {}
    for first, left, last, right in sheet.merged():
        if last > first:
            starts.setdefault(first, []).append((first, left, last, right))
    active: dict[int, tuple[int, Any]] = {}
    for row in sheet.walk():
        for _, left, last, _ in starts.pop(row.number, ()):
            if left <= len(row.values):
                active[left - 1] = (last, row.values[left - 1])
        if active:
            active = {column: held for column, held in active.items() if held[0] >= row.number}
            row.filled = _fill(row.values, active)
        yield row


def _fill(values: list[Any], active: dict[int, tuple[int, Any]]) -> list[int]:
    values.extend([None] * (max(active, default=-1) + 1 - len(values)))
    filled = [column for column, (_, value) in active.items() if values[column] in (None, "") and value is not None]
    for column in filled:
        values[column] = active[column][1]
    return filled


def _read_rows(rows: Iterator[SheetRow], header: list[str], sink: RowSink) -> None:
    prompt_at, completion_at = find_column(header, "prompt"), find_column(header, "completion")
    others = [i for i, name in enumerate(header) if i not in (prompt_at, completion_at) and name != "messages"]
    for row in rows:
        values = row.values
        values.extend([None] * (len(header) - len(values)))
        if all(value is None or value == "" for value in values):
            continue
        cells = [cell_text(value) for value in values]
        texts = []
        for at in (prompt_at, completion_at):
            if at is not None and isinstance(values[at], OddCell):
                sink.note(values[at].code, row.number, f"the cell of `{header[at]}` has no value")
            texts.append("" if at is None else _read_word(cells[at], row.number, sink))
        _note_row(row, sink)
        sink.add(row.number, texts[0], texts[1], "", tuple(cells[i] for i in others))


def _read_objects(rows: Iterator[SheetRow], header: list[str], objects: ObjectReader, sink: RowSink) -> None:
    for row in rows:
        cells = [cell_text(value) for value in row.values]
        if any(cells):
            _note_row(row, sink)
            padded = cells + [""] * (len(header) - len(cells))
            objects.read(dict(zip(header, padded, strict=False)), row.number, "")


def _note_row(row: SheetRow, sink: RowSink) -> None:
    if row.is_hidden:
        sink.note("hidden_row", row.number, "the row is hidden in the sheet")
    if row.filled:
        sink.note("merged_cell", row.number, "a cell merged over several rows stands in each of them")


def _read_word(text: str, number: int, sink: RowSink) -> str:
    if text not in EMPTY_CELL_WORDS:
        return text
    if text:
        sink.note("word_read_as_empty", number, f"`{text}` is read as an empty cell")
    return ""
