"""What a running launcher tells the world: one small file, replaced whole whenever something changes."""

from typing import Literal

import psutil
from pydantic import BaseModel, ValidationError

from storymill.launcher.atomic_file import write_file
from storymill.launcher.state_dir import StateDir

MillPhase = Literal["starting", "ready", "stopping", "stopped", "failed"]
ProcessState = Literal["waiting", "starting", "ready", "not ready", "restarting", "stopping", "stopped", "done"]
# psutil derives start times from clock ticks since boot; two readings of one process agree to a few hundredths.
SAME_START_SECONDS = 1.0


class ProcessIdentity(BaseModel):
    """One process, told apart from a later one with the same id by its start time (seconds since the epoch)."""

    pid: int
    created_at: float

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        """Identify a running process. Raises: psutil.NoSuchProcess when there is none of this number."""
        return cls(pid=pid, created_at=psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """Return the process if it still runs; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.created_at) < SAME_START_SECONDS
            return process if is_same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None


class ProcessStatus(BaseModel):
    """One process of the mill as the launcher sees it. `progress` is 0..1 where the process tells one."""

    name: str
    state: ProcessState
    identity: ProcessIdentity | None = None
    port: int | None = None
    restarts: int = 0
    message: str = ""
    progress: float | None = None


class MillSnapshot(BaseModel):
    """The whole mill at one moment."""

    phase: MillPhase
    supervisor: ProcessIdentity
    gateway_url: str
    streaming_url: str
    message: str = ""
    processes: list[ProcessStatus] = []


def write_snapshot(state: StateDir, snapshot: MillSnapshot) -> None:
    """Publish the snapshot to the other commands."""
    text = snapshot.model_dump_json(indent=2) + "\n"
    write_file(state.snapshot_file, text, is_lasting=False)  # after a power cut nothing of it is true


def find_snapshot(state: StateDir) -> MillSnapshot | None:
    """Return the last snapshot that a launcher left here, running or not."""
    try:
        return MillSnapshot.model_validate_json(state.snapshot_file.read_text())
    except (FileNotFoundError, ValidationError):
        return None


def find_running(state: StateDir) -> MillSnapshot | None:
    """Return the snapshot of the launcher that runs here now, or None."""
    snapshot = find_snapshot(state)
    return snapshot if snapshot is not None and snapshot.supervisor.find() is not None else None
