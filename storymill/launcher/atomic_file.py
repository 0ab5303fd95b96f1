"""Write small files whole or not at all, and say plainly when the disk will not have them."""

import errno
import os
from pathlib import Path

from storymill.launcher.errors import StateDirError

# EFBIG: the same for a process whose file size is limited.
FULL_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_file(path: Path, text: str, *, mode: int = 0o600, is_lasting: bool = True) -> None:
    """Replace the file with `text` in one step; on failure the old file stands and no remains are left.

    With `is_lasting` the new file also outlives a power cut: after one, the old or the new file is there, whole.

    Raises: StateDirError when the disk is full or the folder is not writable.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if is_lasting:
                os.fsync(file.fileno())
        temporary.rename(path)
        if is_lasting:
            sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise explain_write_failure(path, error) from error


def explain_write_failure(path: Path, error: OSError) -> StateDirError:
    """Turn the system's error into one that says what to do."""
    if error.errno in FULL_DISK_ERRORS:
        return StateDirError(f"The disk is full: could not write {path}. Free some space and start again.")
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return StateDirError(
            f"{path.parent} is not writable by user id {os.geteuid()}: choose another --state-dir or change its owner."
        )
    return StateDirError(f"Could not write {path}: {error.strerror or error}")


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk. Raises: OSError when it cannot be opened, or the disk fails."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
