"""`python -m services.preparation.reading.calamine_process FILE BYTES`: what calamine reads of a workbook, asked for
line by line on the standard input, answered on the standard output by pickled pairs: an answer, or why there is none.

In a process of its own, since two damaged kilobytes can make the library ask for 200 GB, and it aborts whoever asks so.
Ends when the process beside it does: its standard input is that one's.
"""

import pickle
import resource
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import IO, Any, Final

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

ROWS_AT_ONCE: Final = 1_000
MOST_COLUMNS: Final = 16_384
"""Of a sheet, by Excel's own bounds."""
CELLS_AT_ONCE: Final = 100_000
PANIC: Final = "PanicException"
"""What a defect of calamine's in Rust raises, no subclass of Exception."""


class OpenSheet:
    """The sheet asked for last, and how far its rows were read."""

    def __init__(self, name: str, sheet: CalamineSheet) -> None:
        if (last := sheet.total_width) >= MOST_COLUMNS:  # from 0
            raise ValueError(f"a cell of the sheet {name!r} stands in column {last + 1}, and no sheet is so wide")
        self.name = name
        self.sheet = sheet
        self._rows: Iterator[list[Any]] = iter(())
        self._at = -1

    def read_rows(self, start: int) -> list[list[Any]]:
        """Return the next rows from `start`, from 0, without the empty cells at their ends; none after the last."""
        if start != self._at:
            self._rows, self._at = islice(self.sheet.iter_rows(), start, None), start
        rows: list[list[Any]] = []
        cells = 0
        for row in islice(self._rows, ROWS_AT_ONCE):
            while row and row[-1] == "":
                row.pop()
            rows.append(row)
            cells += len(row)
            if cells > CELLS_AT_ONCE:
                break
        self._at += len(rows)
        return rows


def bound_memory(most: int) -> None:
    """Ask for no more bytes of address space than `most`, or what the process was given."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most if soft == resource.RLIM_INFINITY else min(most, soft), hard))


def answer(raw: IO[bytes], questions: IO[bytes]) -> Iterator[Any]:
    """Answer with name and visibility of every sheet, then each question: `rows START SHEET`, `merged 0 SHEET`."""
    with closing(CalamineWorkbook.from_filelike(raw)) as book:
        told = [one for one in book.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
        yield [(one.name, one.visible == SheetVisibleEnum.Visible) for one in told]
        current: OpenSheet | None = None
        for question in questions:
            what, start, number = question.split()
            name = told[int(number)].name
            if current is None or current.name != name:
                current = OpenSheet(name, book.get_sheet_by_name(name))
            yield current.read_rows(int(start)) if what == b"rows" else current.sheet.merged_cell_ranges or []


def main(path: str, most_bytes: str) -> None:
    """Answer until nobody asks any more, or say what is wrong with the file."""
    bound_memory(int(most_bytes))
    try:
        with open(path, "rb") as raw:
            for value in answer(raw, sys.stdin.buffer):
                say(value)
    except (CalamineError, OSError, ValueError) as error:
        say(None, str(error))
    except BaseException as error:
        if type(error).__name__ != PANIC:
            raise
        say(None, "it is damaged")


def say(value: Any, failure: str | None = None) -> None:
    """Write one pair."""
    sys.stdout.buffer.write(pickle.dumps((value, failure), pickle.HIGHEST_PROTOCOL))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
