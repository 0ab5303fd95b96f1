"""What `storymill status` says: the launcher's snapshot, with what the system knows of each process now."""

import shutil
import time
from typing import Final

import psutil
from pydantic import BaseModel

from storymill.launcher.leftovers import find_leftovers
from storymill.launcher.snapshot import ProcessStatus, find_running
from storymill.launcher.state_dir import StateDir

FULL_DISK_BYTES: Final = 32 * 1024 * 1024
"""With less the stores fail: Postgres makes files of 16 MiB at once."""


class ProcessReport(BaseModel):
    """One process. `memory_mb` is its resident set."""

    name: str
    state: str
    pid: int | None
    port: int | None
    uptime_seconds: float | None
    memory_mb: float | None
    restarts: int
    message: str


class StatusReport(BaseModel):
    """The whole mill; `leftovers` are processes whose launcher was killed."""

    running: bool
    is_ready: bool
    phase: str
    gateway_url: str | None = None
    streaming_url: str | None = None
    supervisor_pid: int | None = None
    processes: list[ProcessReport] = []
    leftovers: list[int] = []
    problems: list[str] = []
    """What is wrong with the machine. On a full disk the launcher cannot write what it sees of the processes."""


def make_report(state: StateDir) -> StatusReport:
    """Look at the mill of a state directory as it is now."""
    running = find_running(state)
    if running is None:
        leftovers = [process.pid for process in find_leftovers(state)]
        return StatusReport(running=False, is_ready=False, phase="stopped", leftovers=leftovers)
    processes = [report_process(status) for status in running.processes]
    problems = find_machine_problems(state)
    return StatusReport(
        running=True,
        is_ready=running.phase == "ready" and not problems and all(row.state in {"ready", "done"} for row in processes),
        problems=problems,
        phase=running.phase,
        gateway_url=running.gateway_url,
        streaming_url=running.streaming_url,
        supervisor_pid=running.supervisor.pid,
        processes=processes,
    )


def find_machine_problems(state: StateDir) -> list[str]:
    """Return what is wrong with the machine, as sentences."""
    free = shutil.disk_usage(state.root).free
    if free >= FULL_DISK_BYTES:
        return []
    return [f"The disk of {state.root} is full ({free // 2**20} MiB free): free some space, and all goes on by itself."]


def report_process(status: ProcessStatus) -> ProcessReport:
    """Add uptime and memory where the process runs."""
    process = status.identity.find() if status.identity is not None else None
    memory_mb = None
    if process is not None:
        try:
            memory_mb = round(process.memory_info().rss / 2**20, 1)
        except psutil.Error:
            process = None
    is_running = process is not None and status.identity is not None
    return ProcessReport(
        name=status.name,
        state=status.state,
        pid=status.identity.pid if is_running and status.identity else None,
        port=status.port,
        uptime_seconds=round(time.time() - status.identity.created_at, 1) if is_running and status.identity else None,
        memory_mb=memory_mb,
        restarts=status.restarts,
        message=status.message,
    )
