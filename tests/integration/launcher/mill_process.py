"""A handle on a fake mill that runs in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from storymill.launcher.snapshot import MillSnapshot, ProcessStatus, find_snapshot
from storymill.launcher.state_dir import find_state_dir
from tests.support.stack import PROJECT_ROOT, wait_until

Member = dict[str, Any]


def is_gone(process: psutil.Process) -> bool:
    """A zombie has ended too: in a container nobody may reap it."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class MillProcess:
    """Starts the supervisor on fake services and looks at it from outside, as a person would."""

    def __init__(self, folder: Path, *, services: list[list[Member]], stores: list[list[Member]] | None = None) -> None:
        self.state = find_state_dir(folder / "state")
        self.journal = folder / "journal"
        self.journal.touch()
        self._output = folder / "output"
        self._layout = json.dumps({"stores": stores or [], "services": services})
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the supervisor and return at once."""
        command = [sys.executable, "-m", "tests.support.fake_mill", "--state-dir", str(self.state.root)]
        command += ["--journal", str(self.journal), "--layout", self._layout]
        environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=PROJECT_ROOT)

    def wait_phase(self, phase: str) -> MillSnapshot:
        """Wait until the supervisor says that it is in this phase."""

        def find() -> MillSnapshot | None:
            snapshot = find_snapshot(self.state)
            is_ours = snapshot is not None and self.process is not None and snapshot.supervisor.pid == self.process.pid
            return snapshot if is_ours and snapshot is not None and snapshot.phase == phase else None

        found = wait_until(find, timeout_seconds=30, what=f"phase {phase}; output: {self.read_output()}")
        assert found is not None
        return found

    def wait_exit(self) -> int:
        """Wait for the end of the supervisor."""
        assert self.process is not None
        return self.process.wait(timeout=30)

    def find_status(self, name: str) -> ProcessStatus:
        """Return what the supervisor says of one process now."""
        snapshot = find_snapshot(self.state)
        assert snapshot is not None
        return next(status for status in snapshot.processes if status.name == name)

    def find_child(self, name: str) -> psutil.Process:
        """Return the running process of that name."""
        identity = self.find_status(name).identity
        assert identity is not None
        return psutil.Process(identity.pid)

    def read_journal(self) -> list[str]:
        """Return what happened, in order."""
        return self.journal.read_text().splitlines()

    def read_output(self) -> str:
        """Return what the supervisor printed."""
        return self._output.read_text() if self._output.exists() else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=60)
