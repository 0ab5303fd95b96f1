"""Keeps resume points of a run on disk: weights, optimizer, progress. Written whole or not at all."""

import errno
import io
import os
import shutil
from pathlib import Path
from typing import Any

import torch

KEPT_RESUME_POINTS = 2
"""The newest and the one before it."""
PREFIX = "step-"
CANNOT_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EROFS})
"""What a file system says that has no such thing for folders."""


def save_resume_point(folder: Path, state: dict[str, Any]) -> Path:
    """Write `state` as the newest resume point and drop all but the last two.

    A crash or a full disk in between leaves the earlier ones as they were. Raises: OSError when it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    path = folder / f"{PREFIX}{state['progress']['step']:08d}.pt"
    write_whole(path, buffer.getbuffer())
    for old in _resume_points(folder)[:-KEPT_RESUME_POINTS]:
        old.unlink(missing_ok=True)
    return path


def load_newest_resume_point(folder: Path) -> dict[str, Any] | None:
    """Return the newest resume point's state, or None when the run has not got that far."""
    points = _resume_points(folder)
    if not points:
        return None
    state: dict[str, Any] = torch.load(points[-1], map_location="cpu", weights_only=True)
    return state


def drop_resume_points(folder: Path) -> None:
    """Remove them all; the run is over."""
    shutil.rmtree(folder, ignore_errors=True)


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that after a crash, also of the machine, it is there complete or not there, and stays once this
    returns. Raises: OSError when it cannot be written."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk. Raises: OSError when the disk fails."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise
    finally:
        os.close(descriptor)


def _resume_points(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{PREFIX}*.pt"))
