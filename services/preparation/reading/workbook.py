"""Workbooks as a list of sheets: Excel's by openpyxl, OpenDocument's by a reader of ours, older and binary ones by
calamine."""

import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from openpyxl.utils.cell import range_boundaries
from openpyxl.utils.exceptions import InvalidFileException
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from services.preparation.errors import UnreadableFileError
from services.preparation.reading.opendocument import is_opendocument, open_sheets
from services.preparation.reading.row_sink import RowSink
from services.preparation.reading.sheet import Range, Sheet, SheetRow, read_workbook_sheet
from services.preparation.reading.source_file import SourceFile
from services.preparation.reading.workbook_cells import StringReader, read_cells

BROKEN: Final = (
    InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError, ParseError, TypeError, AttributeError,
    IndexError, EOFError, zlib.error, NotImplementedError, RuntimeError, CalamineError,
)  # fmt: skip
"""What the libraries and the archive raise for files that no writer writes."""
PANIC: Final = "PanicException"
"""What a defect of calamine's in Rust raises, no subclass of Exception."""
MERGED: Final = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}[0-9]{1,7})"')
PART_BYTES: Final = 1 << 20
LONGEST_MERGED: Final = 200
"""Bytes of an element that names merged cells."""


def read_workbook(source: SourceFile, sink: RowSink) -> int:
    """Read one sheet into the sink and return the number of sheets.

    Raises:
        UnreadableFileError: the file is no workbook, has no such sheet, or the sheet has no header.
    """
    read = _read_excel if source.format == "xlsx" else _read_others
    try:
        return read(source, sink)
    except BROKEN as error:
        kind = "Excel workbook" if source.format == "xlsx" else "workbook"
        raise UnreadableFileError(f"File {source.path} is not a readable {kind}: {error}") from error
    except BaseException as error:
        if type(error).__name__ != PANIC:
            raise
        raise UnreadableFileError(f"File {source.path} is not a readable workbook: it is damaged") from error


def _read_excel(source: SourceFile, sink: RowSink) -> int:
    with source.open_binary() as raw, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of extensions that hold no cells
        book = None
        try:
            reader = StringReader(raw)
            reader.read()
            book = reader.wb
            read_workbook_sheet([_excel_sheet(sheet) for sheet in book.worksheets], source, sink)
            return len(book.sheetnames)
        finally:
            if book is not None:
                book.close()


def _excel_sheet(sheet: Any) -> Sheet:
    def walk() -> Iterator[SheetRow]:
        return (SheetRow(number, is_hidden, values) for number, is_hidden, values in read_cells(sheet))

    return Sheet(sheet.title, sheet.sheet_state == "visible", walk, partial(_merged_of, sheet))


def _merged_of(sheet: Any) -> list[Range]:
    """The merged cells, which a sheet tells behind its rows."""
    found: set[bytes] = set()
    kept = b""
    with sheet.parent._archive.open(sheet._worksheet_path) as part:
        while block := part.read(PART_BYTES):
            text = kept + block
            if b"mergeCell" in text:
                found.update(MERGED.findall(text))
            kept = text[-LONGEST_MERGED:]
    bounds = (range_boundaries(name.decode()) for name in found)
    return [(first, left, last, right) for left, first, right, last in bounds]


def _read_others(source: SourceFile, sink: RowSink) -> int:
    with source.open_binary() as raw:
        if is_opendocument(raw):
            with zipfile.ZipFile(raw) as archive:
                found = open_sheets(archive)
                read_workbook_sheet(found, source, sink)
                return len(found)
        raw.seek(0)
        book = CalamineWorkbook.from_filelike(raw)
        try:
            told = [one for one in book.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
            sheets = [_calamine_sheet(book, one.name, one.visible == SheetVisibleEnum.Visible) for one in told]
            read_workbook_sheet(sheets, source, sink)
            return len(told)
        finally:
            book.close()


def _calamine_sheet(book: CalamineWorkbook, name: str, is_visible: bool) -> Sheet:
    opened: list[CalamineSheet] = []

    def get() -> CalamineSheet:
        if not opened:
            opened.append(book.get_sheet_by_name(name))
        return opened[0]

    def walk() -> Iterator[SheetRow]:
        rows = get().to_python(skip_empty_area=False)
        return (SheetRow(number, False, list(values)) for number, values in enumerate(rows, start=1))

    def merged() -> list[Range]:
        ranges = get().merged_cell_ranges or ()
        return [(top + 1, left + 1, bottom + 1, right + 1) for (top, left), (bottom, right) in ranges]

    return Sheet(name, is_visible, walk, merged)
