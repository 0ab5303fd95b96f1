"""One sheet of an Excel workbook, row by row."""

import warnings
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from openpyxl.utils.exceptions import InvalidFileException

from services.preparation.errors import UnreadableFileError
from services.preparation.reading.delimited import EMPTY_CELL_WORDS
from services.preparation.reading.json_values import ObjectReader, needs_objects
from services.preparation.reading.row_sink import RowSink, find_column
from services.preparation.reading.source_file import SourceFile
from services.preparation.reading.workbook_cells import OddCell, StringReader, cell_text, read_cells

BROKEN: Final = (
    InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError, ParseError, TypeError, AttributeError,
    IndexError, EOFError, zlib.error, NotImplementedError, RuntimeError,
)  # fmt: skip
"""What openpyxl and the archive raise for files that no writer writes."""


def read_workbook(source: SourceFile, sink: RowSink) -> int:
    """Read the first sheet into the sink and return the number of sheets.

    Raises:
        UnreadableFileError: the file is no workbook, or its first sheet has no header.
    """
    with source.open_binary() as raw, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of extensions that hold no cells
        book = None
        try:
            reader = StringReader(raw)
            reader.read()
            book = reader.wb
            _read_sheet(book.worksheets[0], source, sink)
            return len(book.sheetnames)
        except BROKEN as error:
            raise UnreadableFileError(f"File {source.path} is not a readable Excel workbook: {error}") from error
        finally:
            if book is not None:
                book.close()


def _read_sheet(sheet: Any, source: SourceFile, sink: RowSink) -> None:
    rows = read_cells(sheet)
    header = next((found for _, _, values in rows if any(found := [cell_text(value) for value in values])), None)
    if header is None:
        raise UnreadableFileError(f"The first sheet of {source.path} has no header row.", line=1, column=1)
    if needs_objects(header):
        _read_objects(rows, header, ObjectReader(sink))
        return
    sink.name_columns(header)
    _read_rows(rows, header, sink)


def _read_rows(rows: Iterator[tuple[int, bool, list[Any]]], header: list[str], sink: RowSink) -> None:
    prompt_at, completion_at = find_column(header, "prompt"), find_column(header, "completion")
    others = [i for i, name in enumerate(header) if i not in (prompt_at, completion_at) and name != "messages"]
    for number, _, values in rows:
        values.extend([None] * (len(header) - len(values)))
        cells = [cell_text(value) for value in values]
        texts = []
        for at in (prompt_at, completion_at):
            if at is not None and isinstance(values[at], OddCell):
                sink.note(values[at].code, number, f"the cell of `{header[at]}` has no value")
            texts.append("" if at is None else _read_word(cells[at], number, sink))
        if any(value is not None and value != "" for value in values):
            sink.add(number, texts[0], texts[1], "", tuple(cells[i] for i in others))


def _read_objects(rows: Iterator[tuple[int, bool, list[Any]]], header: list[str], objects: ObjectReader) -> None:
    for number, _, values in rows:
        cells = [cell_text(value) for value in values]
        if any(cells):
            objects.read(dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=False)), number, "")


def _read_word(text: str, number: int, sink: RowSink) -> str:
    if text not in EMPTY_CELL_WORDS:
        return text
    if text:
        sink.note("word_read_as_empty", number, f"`{text}` is read as an empty cell")
    return ""
