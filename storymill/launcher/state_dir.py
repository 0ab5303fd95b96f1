"""The state directory: where everything that outlives a run of the mill is kept, and who may use it now."""

import fcntl
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from storymill.launcher.atomic_file import explain_write_failure, write_file
from storymill.launcher.errors import AlreadyRunningError, StateDirError

# Raise it when a newer layout cannot be read by this code; older layouts are moved forward in `open_state_dir`.
SCHEMA = 1
# A new cluster is 40 MB and its write-ahead log may grow to 1 GB; below this not even a start makes sense.
MINIMUM_FREE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class StateDir:
    """Names for the places in a state directory; `root` is absolute."""

    root: Path

    @property
    def version_file(self) -> Path:
        """Who made the directory, and in which shape."""
        return self.root / "version.json"

    @property
    def lock_file(self) -> Path:
        """Held while a mill runs in here."""
        return self.root / "lock"

    @property
    def snapshot_file(self) -> Path:
        """Ports and processes of the run that is going on."""
        return self.root / "run.json"

    @property
    def credentials_file(self) -> Path:
        """The project and key that the command line uses."""
        return self.root / "credentials.json"

    @property
    def secrets_file(self) -> Path:
        """Passwords of the stores, made at the first start."""
        return self.root / "secrets.json"

    @property
    def encryption_key_file(self) -> Path:
        """What secrets in the database are sealed with: the present key, and below it the one before."""
        return self.root / "encryption.key"

    @property
    def bounds_file(self) -> Path:
        """Bounds that the operator changes while the mill runs; there is none unless somebody writes it."""
        return self.root / "bounds.toml"

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.root / "logs"

    @property
    def postgres(self) -> Path:
        """The database cluster."""
        return self.root / "postgres"

    @property
    def redis(self) -> Path:
        """The queue's and streams' files."""
        return self.root / "redis"

    @property
    def beat(self) -> Path:
        """The schedule of periodic tasks."""
        return self.root / "beat"

    @property
    def engine(self) -> Path:
        """The engine's adapters, jobs and files."""
        return self.root / "engine"

    @property
    def objects(self) -> Path:
        """Uploads, datasets and exports."""
        return self.root / "objects"

    def log_file(self, name: str) -> Path:
        """The log of one process."""
        return self.logs / f"{name}.log"


def find_state_dir(path: Path) -> StateDir:
    """Name a state directory without touching it."""
    return StateDir(path.expanduser().absolute())


def open_state_dir(path: Path, *, minimum_free_bytes: int = MINIMUM_FREE_BYTES) -> StateDir:
    """Create or check a state directory; afterwards it is ours, writable and of this version. Raises: StateDirError
    when it is something else's, another version's, full or not ours to write."""
    state = find_state_dir(path)
    try:
        state.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_version(state)
        check_free_space(state.root, minimum_free_bytes)
        write_version(state)
        for folder in (state.logs, state.redis, state.beat, state.engine, state.objects):
            folder.mkdir(exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise StateDirError(f"{state.root} is not a folder: choose another --state-dir.") from error
    except OSError as error:
        raise explain_write_failure(state.version_file, error) from error
    return state


def check_version(state: StateDir) -> None:
    """Refuse a folder that holds something else, or a state directory of another version."""
    if not state.version_file.exists():
        if any(not name.name.startswith(".") for name in state.root.iterdir()):
            raise StateDirError(
                f"{state.root} has files but no version.json, so it is no state directory of Storymill: "
                "choose an empty or new --state-dir."
            )
        return
    try:
        written = json.loads(state.version_file.read_text())
        schema = int(written["schema"])
    except (ValueError, KeyError, TypeError) as error:
        raise StateDirError(
            f"{state.version_file} cannot be read: restore it or choose another --state-dir."
        ) from error
    if schema != SCHEMA:
        age = "newer" if schema > SCHEMA else "older"
        raise StateDirError(
            f"{state.root} was written by a {age} Storymill (layout {schema}, this one reads {SCHEMA}): "
            "use that version, or choose another --state-dir."
        )


def check_free_space(folder: Path, minimum_free_bytes: int) -> None:
    """Refuse to start on a disk on which the stores would fail within minutes."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < minimum_free_bytes:
        raise StateDirError(
            f"The disk of {folder} has {free_bytes // 2**20} MB free, a start needs {minimum_free_bytes // 2**20} MB: "
            "free some space or choose another --state-dir."
        )


def write_version(state: StateDir) -> None:
    """Write the version file; doing it at every start also proves that the folder is writable."""
    write_file(state.version_file, json.dumps({"schema": SCHEMA}) + "\n")


def lock_state_dir(state: StateDir) -> TextIO:
    """Take the state directory for this process; the kernel gives it back when the process ends, however. Raises:
    AlreadyRunningError when another process holds it."""
    lock = os.fdopen(os.open(state.lock_file, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise AlreadyRunningError(f"Storymill is running already in {state.root}.") from error
    return lock


def is_locked(state: StateDir) -> bool:
    """Say whether a launcher runs on this state directory."""
    if not state.lock_file.exists():
        return False
    try:
        lock_state_dir(state).close()
    except AlreadyRunningError:
        return True
    return False
