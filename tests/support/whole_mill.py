"""The whole product as a newcomer starts it, on a tiny random model: `storymill up`, then only clients."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil

from storymill.client.rest import Api
from storymill.client.streams import StreamFollower
from storymill.launcher.credentials import read_credentials
from tests.support.stack import PROJECT_ROOT, wait_until

START_TIMEOUT_SECONDS = 180


class WholeMill:
    """A mill that runs detached in its own state directory; every port is a free one."""

    def __init__(self, state_dir: Path, *, environment: dict[str, str] | None = None, arguments: tuple[str, ...] = ()):
        self.state_dir = state_dir
        self._environment = {
            **os.environ,
            "STORYMILL_DATABASE_URL": "",
            "STORYMILL_REDIS_URL": "",
            "STORYMILL_WORKER_PREPARATION_NICENESS": "0",
            "STORYMILL_ENGINE_TRAINING_NICENESS": "0",
            **(environment or {}),
        }
        self._arguments = arguments

    def set_environment(self, **variables: str) -> None:
        """Let the next start have other settings."""
        self._environment |= variables

    def start(self) -> None:
        """Start everything; returns once all of it is ready."""
        result = self.run("up", "--detach", "--gateway-port", "0", "--streaming-port", "0", *self._arguments)
        assert result.returncode == 0, result.stdout + result.stderr

    def stop(self) -> None:
        """Stop everything."""
        self.run("down")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a `storymill` command on this mill."""
        return subprocess.run(
            [sys.executable, "-m", "storymill", *words, "--state-dir", str(self.state_dir)],
            env=self._environment,
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_SECONDS,
            check=False,
        )

    def api(self) -> Api:
        """Return the gateway as the launcher's key sees it."""
        credentials = read_credentials(self.state_dir)
        return Api(credentials.base_url, credentials.api_key)

    def find_process(self, name: str) -> dict[str, Any]:
        """Return the launcher's report of one process."""
        status = json.loads(self.run("status", "--json").stdout)
        row: dict[str, Any] = next(row for row in status["processes"] if row["name"] == name)
        return row

    def kill(self, name: str) -> None:
        """Kill a process with SIGKILL, as a crash or the kernel's memory killer would."""
        psutil.Process(self.find_process(name)["pid"]).kill()


class Watcher(threading.Thread):
    """Watches one stream over the WebSocket to its end, in a thread of its own."""

    def __init__(self, ws_url: str, stream_id: str, api_key: str) -> None:
        super().__init__(daemon=True)
        self.stream_id = stream_id
        self.follower = StreamFollower(ws_url, stream_id, api_key)
        self.shown = ""
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Apply every change to `shown`, as a screen would."""
        try:
            for change in self.follower.changes():
                self.shown = self.shown[: len(self.shown) - change.removed] + change.added
        except BaseException as error:
            self.failure = error

    def wait_for_text(self) -> None:
        """Wait until the first text is on the screen."""
        wait_until(lambda: self.shown or self.failure or not self.is_alive(), timeout_seconds=60, what="first text")
        assert self.failure is None, self.failure
