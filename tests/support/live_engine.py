"""Starts the engine as users do, as a process of its own, and stops it again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from storymill.launcher.ports import find_free_port


class LiveEngine:
    """A running `python -m services.engine`; `settings` become STORYMILL_ENGINE_* variables."""

    def __init__(self, model: Path | str, state_dir: Path, **settings: object) -> None:
        self.state_dir = state_dir
        self.port = find_free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = state_dir / f"engine-{self.port}.log"
        state_dir.mkdir(parents=True, exist_ok=True)
        variables = {f"STORYMILL_ENGINE_{name.upper()}": str(value) for name, value in settings.items()}
        command = [sys.executable, "-m", "services.engine", "--port", str(self.port), "--state-dir", str(state_dir)]
        with self.log_path.open("w") as log:
            self.process = subprocess.Popen(
                [*command, "--model", str(model)],
                env={**os.environ, "STORYMILL_ENGINE_THREADS": "1", **variables},
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[2],
            )

    def wait_until_ready(self, timeout_seconds: float = 120) -> None:
        """Wait for /readyz. Raises AssertionError with the log if it never comes."""
        self.wait_for("/readyz", 200, timeout_seconds)

    def wait_for(self, path: str, status: int, timeout_seconds: float = 60) -> httpx2.Response:
        """Wait until `path` answers with `status`, and return that answer."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                response = httpx2.get(self.url + path)
                if response.status_code == status:
                    return response
            except httpx2.HTTPError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{path} never answered {status}:\n{self.log_path.read_text()}")

    def read_metric(self, name: str) -> float:
        """Return one value of /metrics."""
        lines = httpx2.get(self.url + "/metrics").text.splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))

    def wait_for_metric(self, name: str, value: float, timeout_seconds: float = 30) -> None:
        """Wait until a metric has a value."""
        deadline = time.monotonic() + timeout_seconds
        while self.read_metric(name) != value:
            assert time.monotonic() < deadline, f"{name} is {self.read_metric(name)}, not {value}"
            time.sleep(0.02)

    def terminate(self) -> None:
        """Send SIGTERM and return at once."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """End the process, politely first."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
