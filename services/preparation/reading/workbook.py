"""The first sheet of an Excel workbook, row by row."""

import zipfile
from typing import Any

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from services.preparation.errors import UnreadableFileError
from services.preparation.reading.delimited import EMPTY_CELL_WORDS
from services.preparation.reading.row_sink import RowSink, find_column
from services.preparation.reading.source_file import SourceFile


def read_workbook(source: SourceFile, sink: RowSink) -> int:
    """Read the first sheet into the sink and return the number of sheets.

    Raises:
        UnreadableFileError: the file is no workbook, or its first sheet has no header.
    """
    with source.open_binary() as raw:
        try:
            book = load_workbook(raw, read_only=True, data_only=True)
        except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
            raise UnreadableFileError(f"File {source.path} is not a readable Excel workbook: {error}") from error
        rows = book.worksheets[0].iter_rows(values_only=True)
        header = [_cell_text(value) for value in next(rows, ())]
        if not any(header):
            raise UnreadableFileError(f"The first sheet of {source.path} has no header row.", line=1, column=1)
        sink.name_columns(header)
        _read_rows(rows, header, sink)
        return len(book.sheetnames)


def _read_rows(rows: Any, header: list[str], sink: RowSink) -> None:
    prompt_at, completion_at = find_column(header, "prompt"), find_column(header, "completion")
    others = [i for i, name in enumerate(header) if i not in (prompt_at, completion_at) and name != "messages"]
    for number, row in enumerate(rows, start=2):
        cells = [_cell_text(value) for value in row]
        if not any(cells):
            continue
        cells.extend([""] * (len(header) - len(cells)))
        prompt = cells[prompt_at] if prompt_at is not None else ""
        completion = cells[completion_at] if completion_at is not None else ""
        for value in (prompt, completion):
            if value and value in EMPTY_CELL_WORDS:
                sink.note("word_read_as_empty", number, f"`{value}` is read as an empty cell")
        prompt = "" if prompt in EMPTY_CELL_WORDS else prompt
        completion = "" if completion in EMPTY_CELL_WORDS else completion
        sink.add(number, prompt, completion, "", tuple(cells[i] for i in others))


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    # Excel keeps whole numbers as floats; people typed "3", not "3.0".
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
