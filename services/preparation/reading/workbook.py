"""Workbooks as a list of sheets: Excel's by openpyxl, OpenDocument's by a reader of ours, older and binary ones by
calamine in a process beside."""

import re
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Final
from xml.etree.ElementTree import ParseError

from openpyxl.utils.cell import range_boundaries
from openpyxl.utils.exceptions import InvalidFileException

from services.preparation.errors import UnreadableFileError
from services.preparation.reading.calamine_beside import open_beside
from services.preparation.reading.opendocument import is_opendocument, open_sheets
from services.preparation.reading.row_sink import RowSink
from services.preparation.reading.sheet import Range, Sheet, SheetRow, read_workbook_sheet
from services.preparation.reading.source_file import SourceFile
from services.preparation.reading.workbook_cells import StringReader, read_cells

BROKEN: Final = (
    InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError, ParseError, TypeError, AttributeError,
    IndexError, EOFError, zlib.error, NotImplementedError, RuntimeError,
)  # fmt: skip
"""What the libraries and the archive raise for files that no writer writes."""
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
    with source.open_binary() as raw, TemporaryDirectory() as folder:
        if is_opendocument(raw):
            with zipfile.ZipFile(raw) as archive:
                found = open_sheets(archive)
                read_workbook_sheet(found, source, sink)
                return len(found)
        raw.seek(0)
        with open_beside(_as_plain_file(source, raw, Path(folder))) as beside:
            found = beside.read_sheets()
            read_workbook_sheet(found, source, sink)
            return len(found)


def _as_plain_file(source: SourceFile, raw: IO[bytes], folder: Path) -> Path:
    """A path of the uncompressed bytes."""
    if not source.is_gzip:
        return source.path
    path = folder / "workbook"
    with path.open("wb") as plain:
        shutil.copyfileobj(raw, plain)
    return path
