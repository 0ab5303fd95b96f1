"""End the processes that a killed launcher left behind, and only those."""

import signal

import psutil

from storymill.launcher import postgres
from storymill.launcher.snapshot import find_snapshot
from storymill.launcher.state_dir import StateDir

# They were told to stop when their launcher died; PostgreSQL recovers from a kill as from a crash.
GRACE_SECONDS = 5.0


def find_leftovers(state: StateDir) -> list[psutil.Process]:
    """Return the children of the last launcher that still run, told apart from strangers by start time."""
    snapshot = find_snapshot(state)
    if snapshot is None or snapshot.supervisor.find() is not None:
        return []
    found = [status.identity.find() for status in snapshot.processes if status.identity is not None]
    return [process for process in found if process is not None]


def end_leftovers(state: StateDir, grace_seconds: float = GRACE_SECONDS) -> int:
    """End them all and return how many there were. Call it while holding the state directory's lock."""
    leftovers = find_leftovers(state)
    for process in reversed(leftovers):
        send_signal(process, choose_stop_signal(process))
    _, alive = psutil.wait_procs(leftovers, timeout=grace_seconds)
    for process in alive:
        send_signal(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=grace_seconds)
    return len(leftovers)


def choose_stop_signal(process: psutil.Process) -> signal.Signals:
    """PostgreSQL would wait for its clients on SIGTERM; the rest take it as usual."""
    try:
        return postgres.STOP_SIGNAL if process.name() == "postgres" else signal.SIGTERM
    except psutil.Error:
        return signal.SIGTERM


def send_signal(process: psutil.Process, number: signal.Signals) -> None:
    """Signal a process that may have just ended."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
