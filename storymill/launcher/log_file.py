"""Log files of child processes: bounded in size, read from the end."""

import os
import shutil
from pathlib import Path

ROTATE_BYTES = 20 * 1024 * 1024
LONGEST_TAIL_BYTES = 256 * 1024
# Enough for the traceback that says why a process would not start.
LINES_OF_LOG_TO_SHOW = 15


def rotate_if_large(path: Path, limit_bytes: int = ROTATE_BYTES) -> None:
    """Move a large log to `<name>.log.1` under its writer: children append, so truncation is safe."""
    if path.exists() and path.stat().st_size > limit_bytes:
        shutil.copyfile(path, path.with_name(path.name + ".1"))
        os.truncate(path, 0)


def read_tail(path: Path, lines: int) -> list[str]:
    """Return the last lines of a log, or none if there is no log."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LONGEST_TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return text.splitlines()[-lines:] if lines else []


class LogFollower:
    """Reads what is added to a log from now on, over rotations."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = path.stat().st_size if path.exists() else 0
        self._unfinished = b""

    def read_new_lines(self) -> list[str]:
        """Return the whole lines that were written since the last call."""
        if not self._path.exists():
            return []
        if self._path.stat().st_size < self._position:
            self._position = 0
        with self._path.open("rb") as file:
            file.seek(self._position)
            data = self._unfinished + file.read()
            self._position = file.tell()
        *whole, self._unfinished = data.split(b"\n")
        return [line.decode(errors="replace") for line in whole]
