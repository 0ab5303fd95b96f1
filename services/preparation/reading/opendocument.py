"""Sheets of an OpenDocument workbook, read as they stream by: white space within cells, which other readers lose,
hidden rows, merged cells, formulas without a value.

Names and attributes are those of OpenDocument 1.3, part 3.
"""

import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from functools import partial
from typing import IO, Any, Final
from xml.etree.ElementTree import Element

from openpyxl.xml.functions import iterparse

from services.preparation.reading.sheet import Range, Sheet, SheetRow
from services.preparation.reading.workbook_cells import ERROR, NO_VALUE

CONTENT: Final = "content.xml"
OASIS: Final = "{urn:oasis:names:tc:opendocument:xmlns:"
TABLE, TEXT, OFFICE, STYLE = f"{OASIS}table:1.0}}", f"{OASIS}text:1.0}}", f"{OASIS}office:1.0}}", f"{OASIS}style:1.0}}"
CALC: Final = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}value-type"
SHEET_ROWS: Final = 1_048_576
SHEET_COLUMNS: Final = 16_384
"""A file may repeat a row or a cell as often as it likes; no sheet has more."""
MOST_BLANKS: Final = 10_000
"""Blanks that one element may stand for."""
DURATION: Final = re.compile(r"PT(\d+)H(\d+)M(\d+)(?:[.,]\d+)?S")


def open_sheets(archive: zipfile.ZipFile) -> list[Sheet]:
    """Return the sheets, each to be walked over as often as wanted. Raises: ParseError, KeyError and what the archive
    raises, for a broken file."""
    hidden_styles: set[str] = set()
    found: list[tuple[str, bool]] = []
    for event, element in _walk_elements(archive):
        if event == "end" and element.tag == f"{STYLE}style":
            properties = element.find(f"{STYLE}table-properties")
            if properties is not None and properties.get(f"{TABLE}display") == "false":
                hidden_styles.add(element.get(f"{STYLE}name", ""))
        elif event == "start" and element.tag == f"{TABLE}table":
            name = element.get(f"{TABLE}name", "")
            found.append((name, element.get(f"{TABLE}style-name") not in hidden_styles))
    return [
        Sheet(name, is_visible, partial(_read_rows, archive, at), partial(_find_merged, archive, at))
        for at, (name, is_visible) in enumerate(found)
    ]


def _walk_elements(archive: zipfile.ZipFile) -> Iterator[tuple[str, Element]]:
    """Yield the elements as they begin and end; rows are forgotten once they have ended."""
    inside: list[Element] = []
    with archive.open(CONTENT) as source:
        for event, element in iterparse(source, ("start", "end")):
            yield event, element
            if event == "start":
                inside.append(element)
                continue
            inside.pop()
            if element.tag == f"{TABLE}table-row" and inside:
                inside[-1].remove(element)


def _rows_of(archive: zipfile.ZipFile, wanted: int) -> Iterator[tuple[int, int, Element]]:
    """Yield number, count and element of each row of a sheet; a sheet within a cell is none."""
    at, depth, number = -1, 0, 1
    for event, element in _walk_elements(archive):
        if element.tag == f"{TABLE}table":
            depth += 1 if event == "start" else -1
            at += event == "start" and depth == 1
            if at > wanted:
                return
        elif event == "end" and element.tag == f"{TABLE}table-row" and at == wanted and depth == 1:
            count = min(_repeated(element, "rows"), SHEET_ROWS + 1 - number)
            yield number, count, element
            number += count


def _read_rows(archive: zipfile.ZipFile, wanted: int) -> Iterator[SheetRow]:
    for number, count, element in _rows_of(archive, wanted):
        values = _read_cells(element)
        if values:  # of the blank rows that fill a sheet to its end there are a million
            is_hidden = element.get(f"{TABLE}visibility", "visible") != "visible"
            for more in range(count):
                yield SheetRow(number + more, is_hidden, list(values))


def _read_cells(row: Element) -> list[Any]:
    values: list[Any] = []
    for cell in row:
        if cell.tag in (f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
            count = min(_repeated(cell, "columns"), SHEET_COLUMNS - len(values))
            values += [_read_value(cell)] * count
    while values and values[-1] is None:
        values.pop()
    return values


def _repeated(element: Element, what: str) -> int:
    told = element.get(f"{TABLE}number-{what}-repeated", "1")
    return int(told) if told.isdecimal() and len(told) < 10 else 1


def _read_value(cell: Element) -> Any:
    kind = cell.get(f"{OFFICE}value-type")
    if cell.get(CALC) == "error":
        return ERROR
    if kind is None:
        return NO_VALUE if cell.get(f"{TABLE}formula") else _read_text(cell)
    if kind in ("float", "percentage", "currency"):
        return float(cell.get(f"{OFFICE}value", "nan"))
    if kind == "boolean":
        return cell.get(f"{OFFICE}boolean-value") == "true"
    told = _read_date(cell.get(f"{OFFICE}date-value", "")) or _read_time(cell.get(f"{OFFICE}time-value", ""))
    return told or cell.get(f"{OFFICE}string-value") or _read_text(cell) or ""


def _read_date(told: str) -> date | datetime | None:
    try:
        return datetime.fromisoformat(told) if "T" in told else date.fromisoformat(told)
    except ValueError:
        return None


def _read_time(told: str) -> time | None:
    found = DURATION.fullmatch(told)
    hours, minutes, seconds = map(int, found.groups()) if found else (24, 0, 0)
    return time(hours, minutes, seconds) if hours < 24 and minutes < 60 and seconds < 60 else None


def _read_text(cell: Element) -> str | None:
    """The paragraphs of a cell, one a line; notes on it are none of it."""
    paragraphs = ["".join(_pieces(one)) for one in cell if one.tag == f"{TEXT}p"]
    return "\n".join(paragraphs) if paragraphs else None


def _pieces(element: Element) -> Iterator[str]:
    """Yield a paragraph's text. XML folds white space: what must stay has an element each."""
    yield element.text or ""
    for part in element:
        if part.tag == f"{TEXT}s":
            count = part.get(f"{TEXT}c", "1")
            yield " " * (min(int(count), MOST_BLANKS) if count.isdecimal() else 1)
        elif part.tag == f"{TEXT}tab":
            yield "\t"
        elif part.tag == f"{TEXT}line-break":
            yield "\n"
        elif part.tag != f"{OFFICE}annotation":
            yield from _pieces(part)
        yield part.tail or ""


def _find_merged(archive: zipfile.ZipFile, wanted: int) -> list[Range]:
    found: list[Range] = []
    for number, _, row in _rows_of(archive, wanted):
        column = 1
        for cell in row:
            if cell.tag in (f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
                rows, columns = (_spanned(cell, what) for what in ("rows", "columns"))
                if rows > 1:
                    found.append((number, column, number + rows - 1, column + columns - 1))
                column += _repeated(cell, "columns")
    return found


def _spanned(cell: Element, what: str) -> int:
    told = cell.get(f"{TABLE}number-{what}-spanned", "1")
    return min(int(told), SHEET_ROWS) if told.isdecimal() and len(told) < 10 else 1


def is_opendocument(raw: IO[bytes]) -> bool:
    """Say whether an archive is an OpenDocument one; the position in the file moves."""
    try:
        with zipfile.ZipFile(raw) as archive:
            return CONTENT in archive.namelist() and "xl/workbook.bin" not in archive.namelist()
    except zipfile.BadZipFile:
        return False
