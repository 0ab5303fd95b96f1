"""Lets one engine at a time use a state folder: two would put each other's jobs back into the queue."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_FILE = "engine.lock"
WAIT_SECONDS = 3.0
"""An engine that was told to stop may still be leaving when the next one starts."""
LOOK_EVERY_SECONDS = 0.1
"""Between two tries to take the lock."""


class StateDirInUseError(Exception):
    """Another engine uses the state folder; the message names its process."""


@contextmanager
def lock_state_dir(state_dir: Path, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the folder for this process. Raises: StateDirInUseError when another has it for longer than the wait."""
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / LOCK_FILE).open("a+") as file:
        _take(file.fileno(), state_dir, time.monotonic() + wait_seconds)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _take(number: int, state_dir: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() < deadline:
                time.sleep(LOOK_EVERY_SECONDS)
                continue
            holder = (state_dir / LOCK_FILE).read_text().strip() or "unknown"
            raise StateDirInUseError(
                f"Another engine (process {holder}) uses the state folder {state_dir}: "
                "stop it, or start this one with another --state-dir."
            ) from error
        else:
            return
