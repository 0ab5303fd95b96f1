"""The streaming service, and the gateway beside it, as processes of their own, to be killed and stopped."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.error import URLError

from storymill.launcher.ports import find_free_port
from tests.support.stack import PROJECT_ROOT, wait_until


class ServiceProcess:
    """`python -m MODULE` on a port that stays the same over restarts."""

    def __init__(self, module: str, database_url: str, redis_url: str, log_path: Path, **settings: object) -> None:
        self.module = module
        self.port = find_free_port()
        self._log_path = log_path
        self._environment = {
            **os.environ,
            "STORYMILL_DATABASE_URL": database_url,
            "STORYMILL_REDIS_URL": redis_url,
            **{f"STORYMILL_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/streams"

    def start(self) -> None:
        """Start and wait until ready."""
        command = [sys.executable, "-m", self.module, "--port", str(self.port)]
        with self._log_path.open("ab") as log:
            self.process = subprocess.Popen(command, env=self._environment, cwd=PROJECT_ROOT, stdout=log, stderr=log)
        wait_until(lambda: self.answers("/readyz"), timeout_seconds=60, what=self.module)

    def answers(self, path: str) -> bool:
        """Say whether a route answers 200."""
        try:
            with urllib.request.urlopen(self.base_url + path, timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def kill(self) -> None:
        """`kill -9`."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=10)

    def terminate(self) -> None:
        """Ask the process to stop."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)


@contextmanager
def service_process(
    module: str, database_url: str, redis_url: str, tmp_path: Path, **settings: object
) -> Iterator[ServiceProcess]:
    """Run a service as a process; the end kills it."""
    running = ServiceProcess(module, database_url, redis_url, tmp_path / f"{module}.log", **settings)
    running.start()
    try:
        yield running
    finally:
        running.kill()


def streaming_process(
    database_url: str, redis_url: str, tmp_path: Path, **settings: object
) -> AbstractContextManager[ServiceProcess]:
    """Run the streaming service as a process."""
    return service_process("services.streaming", database_url, redis_url, tmp_path, **settings)
