"""A workbook that calamine reads in a process beside this one (`calamine_process.py`): its sheets, walked over as the
others are. Whatever becomes of that process, the file is refused with a sentence."""

import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from services.preparation.reading.sheet import Range, Sheet, SheetRow

PROCESS: Final = "services.preparation.reading.calamine_process"
MOST_BYTES: Final = 8 << 30
"""Of address space: calamine keeps a sheet as a rectangle, however few of its cells are filled."""


class UnreadWorkbookError(ValueError):
    """calamine refused the file, or did not live to read it."""


class CalamineBeside:
    """Asks the other process."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def read_sheets(self) -> list[Sheet]:
        """Return the sheets in order; their rows come when they are walked over.

        Raises: UnreadWorkbookError when calamine refuses the file, or asks for more memory than it gets."""
        return [
            Sheet(name, is_visible, partial(self._walk, number), partial(self._read_merged, number))
            for number, (name, is_visible) in enumerate(self._take())
        ]

    def _walk(self, sheet: int) -> Iterator[SheetRow]:
        start = 0
        while rows := self._ask("rows", start, sheet):
            for number, values in enumerate(rows, start=start + 1):
                yield SheetRow(number, False, values)
            start += len(rows)

    def _read_merged(self, sheet: int) -> list[Range]:
        ranges = self._ask("merged", 0, sheet)
        return [(top + 1, left + 1, bottom + 1, right + 1) for (top, left), (bottom, right) in ranges]

    def _ask(self, what: str, start: int, sheet: int) -> Any:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{what} {start} {sheet}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # what it said last tells why
        return self._take()

    def _take(self) -> Any:
        assert self._process.stdout is not None
        try:
            value, failure = pickle.load(self._process.stdout)  # noqa: S301 (of our own process)
        except (EOFError, pickle.UnpicklingError) as error:
            raise UnreadWorkbookError(
                f"it is damaged, or its cells lie so far apart that they need more than {MOST_BYTES >> 20} MiB. "
                "Save it again as xlsx or CSV"
            ) from error
        if failure is not None:
            raise UnreadWorkbookError(failure)
        return value


@contextmanager
def open_beside(path: Path) -> Iterator[CalamineBeside]:
    """Begin to read a workbook, and end with it the process that does."""
    process = subprocess.Popen(  # noqa: S603 (our own module)
        [sys.executable, "-m", PROCESS, str(path), str(MOST_BYTES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # Rust's own words, when it panics
    )
    try:
        yield CalamineBeside(process)
    finally:
        process.kill()
        process.communicate()
