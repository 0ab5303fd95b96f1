"""A folder for each preparation. What workers that were killed left behind is swept when a worker starts, and when the
next preparation begins."""

import asyncio
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from services.workers.process.context import WorkerContext

PREFIX: Final = "storymill-dataset-"
LOCK_FILE: Final = "in-use.lock"
"""Locked by the worker that owns the folder, as long as it lives: the system frees the lock however it dies."""
UNLOCKED_SECONDS: Final = 3600
"""A folder without the file is one that is being made, or the rest of an interrupted sweep."""


class WorkFolders:
    """Part of a worker that serves datasets."""

    @classmethod
    async def start(cls, context: WorkerContext) -> Self:
        """Remove what workers that are gone have left, and return the part."""
        await asyncio.to_thread(sweep_folders)
        return cls()

    async def stop(self) -> None:
        """Nothing: folders go with their preparations."""


@contextmanager
def open_work_folder() -> Iterator[Path]:
    """Yield a new folder that nobody sweeps while the block lasts; it is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # The file gets its name once it is locked: a sweep never sees it free.
        with (folder / f"{LOCK_FILE}.new").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / f"{LOCK_FILE}.new").rename(folder / LOCK_FILE)
            yield folder


def sweep_folders() -> int:
    """Remove the folders whose owner is gone; return their number."""
    found = [folder for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if is_abandoned(folder)]
    for folder in found:
        shutil.rmtree(folder, ignore_errors=True)
    return len(found)


def is_abandoned(folder: Path) -> bool:
    """Say whether nobody works in a folder any more. Folders of other users are not ours to judge."""
    with suppress(OSError):
        if folder.stat().st_uid != os.getuid():
            return False
        try:
            with (folder / LOCK_FILE).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
        except FileNotFoundError:
            return time.time() - folder.stat().st_mtime > UNLOCKED_SECONDS
    return False
