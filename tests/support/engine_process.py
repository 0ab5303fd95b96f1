"""Runs an engine as a process of its own on the tiny model, so that tests may kill it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from storymill.launcher.ports import find_free_port

REPOSITORY = Path(__file__).parents[2]
TERMINAL = ("succeeded", "failed", "cancelled")


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Ask until the answer is true, and return it; fail the test after the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


class EngineProcess:
    """An engine on a free port; `environment` adds STORYMILL_ENGINE_* settings."""

    def __init__(self, model: Path, state_dir: Path, **environment: str) -> None:
        self.state_dir = state_dir
        self._model = model
        self._environment = {
            "OMP_NUM_THREADS": "1",
            "STORYMILL_ENGINE_THREADS": "1",
            "STORYMILL_ENGINE_TRAINING_THREADS": "1",
            "STORYMILL_ENGINE_TRAINING_NICENESS": "0",
            "STORYMILL_ENGINE_DRAIN_SECONDS": "1",
            **environment,
        }
        self.start()

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes."""
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Start, or start again on the same state folder, and wait until ready."""
        self.port = find_free_port()
        self.log = self.state_dir / "engine.log"
        self.state_dir.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "services.engine", "--port", str(self.port)]
        command += ["--state-dir", str(self.state_dir), "--model", str(self._model)]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=REPOSITORY, env=os.environ | self._environment, stdout=output, stderr=output
            )
        try:
            wait_until(self._is_ready, f"engine ready, see {self.log}", seconds=120)
        except BaseException:
            self.kill()
            raise

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def kill(self) -> None:
        """As a crash does it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """As an operator does it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def trainer_pid(self) -> int | None:
        """The process id of the trainer that the engine's log names last, if it is alive."""
        started = [json.loads(line) for line in self.log.read_text().splitlines() if '"trainer started"' in line]
        if not started:
            return None
        pid = int(started[-1]["pid"])
        return pid if Path(f"/proc/{pid}").exists() else None
