"""Start a mill that outlives this terminal, and stop it again: a process of its own that we follow by its file."""

import subprocess
import sys
import time
from collections.abc import Callable

from storymill.launcher.errors import AlreadyRunningError, LauncherError, NotRunningError, StartError
from storymill.launcher.log_file import read_tail
from storymill.launcher.options import UpOptions
from storymill.launcher.ports import claim_port
from storymill.launcher.snapshot import MillSnapshot, find_running, find_snapshot
from storymill.launcher.state_dir import StateDir, is_locked, open_state_dir

POLL_SECONDS = 0.1
# Every group's grace in a row, and room for a busy machine.
STOP_TIMEOUT_SECONDS = 120.0


def start_detached(options: UpOptions, on_change: Callable[[MillSnapshot], None]) -> MillSnapshot:
    """Start a supervisor in a session of its own and return once everything is ready.

    Raises: LauncherError with the supervisor's own words when the start fails.
    """
    state = open_state_dir(options.state_dir)
    if is_locked(state):
        raise AlreadyRunningError(f"Storymill is running already in {state.root}.")
    # Said here too, where the person who asked still listens.
    claim_port(options.gateway_port, "--gateway-port")
    claim_port(options.streaming_port, "--streaming-port")
    with state.log_file("supervisor").open("ab") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "storymill", "supervise", *options.to_arguments()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return follow_start(state, supervisor, on_change)


def follow_start(
    state: StateDir, supervisor: "subprocess.Popen[bytes]", on_change: Callable[[MillSnapshot], None]
) -> MillSnapshot:
    """Pass the supervisor's snapshots on until it is ready or has failed."""
    while True:
        exit_code = supervisor.poll()
        snapshot = find_snapshot(state)
        if snapshot is not None and snapshot.supervisor.pid == supervisor.pid:
            on_change(snapshot)
            if snapshot.phase == "ready":
                return snapshot
            if snapshot.phase == "failed":
                raise StartError(snapshot.message)
        if exit_code == 0:
            raise StartError("Storymill was asked to stop while it started.")
        if exit_code is not None:
            raise StartError("\n".join(read_tail(state.log_file("supervisor"), 15)) or f"exited with {exit_code}")
        time.sleep(POLL_SECONDS)


def stop_running(
    state: StateDir, on_change: Callable[[MillSnapshot], None], timeout_seconds: float = STOP_TIMEOUT_SECONDS
) -> None:
    """Ask the supervisor to stop and wait until it is gone.

    Raises: NotRunningError, or LauncherError when it does not end in time.
    """
    running = find_running(state)
    supervisor = running.supervisor.find() if running is not None else None
    if supervisor is None:
        raise NotRunningError(f"Storymill is not running in {state.root}.")
    supervisor.terminate()
    deadline = time.monotonic() + timeout_seconds
    while (current := find_running(state)) is not None:
        on_change(current)
        if time.monotonic() > deadline:
            raise LauncherError(f"The launcher (process {supervisor.pid}) did not stop within {timeout_seconds:g} s.")
        time.sleep(POLL_SECONDS)
