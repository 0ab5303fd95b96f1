"""The cells of an Excel sheet as text, as Excel would show them where that matters to a reader.

openpyxl knows the parts of a workbook; what it leaves undone is done here: escapes are undone, a formula without a
value and a failed one are told apart from empty cells.
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import IO, Any, Final

from openpyxl.reader.excel import SHARED_STRINGS, ExcelReader
from openpyxl.worksheet._reader import FORMULA_TAG, WorkSheetParser
from openpyxl.xml.constants import SHEET_MAIN_NS
from openpyxl.xml.functions import iterparse

STRING_ITEM: Final = f"{{{SHEET_MAIN_NS}}}si"
TEXT: Final = f"{{{SHEET_MAIN_NS}}}t"
RUN: Final = f"{{{SHEET_MAIN_NS}}}r"
# ISO 29500-1, 22.9.2.19 (ST_Xstring): characters that XML cannot hold, as _xHHHH_ in UTF-16.
ESCAPE: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")


@dataclass(frozen=True, slots=True)
class OddCell:
    """A cell without a usable value; `code` is that of a finding."""

    code: str


NO_VALUE: Final = OddCell("formula_without_value")
ERROR: Final = OddCell("cell_error")
CellRow = tuple[int, list[Any]]


class StringReader(ExcelReader):  # type: ignore[misc]  # openpyxl has no types
    """Opens a workbook for reading; its shared strings are unescaped as the standard has it."""

    def __init__(self, raw: IO[bytes]) -> None:
        super().__init__(raw, read_only=True, data_only=True, keep_links=False)

    def read_strings(self) -> None:
        """Take openpyxl's place, which removes one of the escapes and leaves the others."""
        part = self.package.find(SHARED_STRINGS)
        if part is None:
            return
        with self.archive.open(part.PartName[1:]) as source:
            self.shared_strings = [unescape(text) for text in _read_strings(source)]


def _read_strings(source: IO[bytes]) -> Iterator[str]:
    for _, node in iterparse(source):
        if node.tag == STRING_ITEM:
            yield _string_of(node)
            node.clear()


def _string_of(node: Any) -> str:
    """The text of an item: its own and that of its runs, but not how it is pronounced."""
    texts = [part for child in node for part in (child.findall(TEXT) if child.tag == RUN else [child])]
    return "".join(part.text or "" for part in texts if part.tag == TEXT)


def unescape(text: str) -> str:
    """Undo the escapes of a cell's text. Halves of surrogate pairs that stand together become one character."""
    if "_x" not in text:
        return text
    found = ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), text)
    return found if found == text else found.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class CellParser(WorkSheetParser):  # type: ignore[misc]
    """Reads a sheet's rows from its first to its last, whatever its `dimension` says."""

    def rows(self) -> Iterator[tuple[int, dict[str, str], list[dict[str, Any]]]]:
        """Yield number, attributes and cells of every row that is there."""
        for number, cells in self.parse():
            yield number, self.row_dimensions.pop(str(number), {}), cells

    def parse_cell(self, element: Any) -> dict[str, Any]:
        """Return a cell with its text unescaped, or with an `OddCell` as value."""
        cell: dict[str, Any] = super().parse_cell(element)
        kind, value = cell["data_type"], cell["value"]
        if kind == "e":
            cell["value"] = ERROR
        elif value is None and kind != "inlineStr" and element.find(FORMULA_TAG) is not None:
            cell["value"] = "" if element.get("t") == "str" else NO_VALUE  # a computed text may be empty
        elif isinstance(value, str) and element.get("t") != "s":
            cell["value"] = unescape(value)
        return cell


def open_cells(sheet: Any, source: IO[bytes]) -> CellParser:
    """Return a parser of a read-only sheet's part."""
    book = sheet.parent
    return CellParser(
        source,
        sheet._shared_strings,
        data_only=True,
        epoch=book.epoch,
        date_formats=book._date_formats,
        timedelta_formats=book._timedelta_formats,
    )


def read_cells(sheet: Any) -> Iterator[tuple[int, bool, list[Any]]]:
    """Yield number, whether it is hidden, and the values of every row of a read-only sheet."""
    archive: zipfile.ZipFile = sheet.parent._archive
    with archive.open(sheet._worksheet_path) as source:
        for number, attributes, cells in open_cells(sheet, source).rows():
            values: list[Any] = [None] * max((cell["column"] for cell in cells), default=0)
            for cell in cells:
                values[cell["column"] - 1] = cell["value"]
            yield number, attributes.get("hidden") in ("1", "true"), values


def cell_text(value: object) -> str:
    """A value as people see it in the sheet."""
    if value is None or isinstance(value, OddCell):
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    # Excel keeps whole numbers as floats; people typed "3", not "3.0".
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime):
        return str(value.date()) if value.time() == time() else value.isoformat(" ", "seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)
