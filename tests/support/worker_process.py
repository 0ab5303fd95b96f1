"""A real Celery worker in a process of its own, to be stopped, killed and frozen."""

import asyncio
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from storymill.launcher.ports import find_free_port
from tests.support.stack import PROJECT_ROOT, eventually


class WorkerProcess:
    """`celery worker` on some queues. An async context manager: enters once it is ready, kills on leaving."""

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str,
        redis_url: str,
        upstream_url: str,
        queues: str = "interactive",
        concurrency: int = 50,
        name: str = "worker",
        env: dict[str, str] | None = None,
    ) -> None:
        self.log_path = folder / f"{name}.log"
        self.http_port = find_free_port()
        self.queues, self.concurrency, self.name = queues, concurrency, name
        self.process: subprocess.Popen[bytes] | None = None
        self.env = {
            **os.environ,
            "STORYMILL_DATABASE_URL": database_url,
            "STORYMILL_REDIS_URL": redis_url,
            "STORYMILL_UPSTREAM_URL": upstream_url,
            "STORYMILL_WORKER_HTTP_PORT": str(self.http_port),
            "STORYMILL_WORKER_PREPARATION_NICENESS": "0",  # or it waits for all other tests
            **(env or {}),
        }

    @property
    def pid(self) -> int:
        """The process id."""
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        """Everything that the worker has logged."""
        return self.log_path.read_text(errors="replace")

    def launch(self) -> None:
        """Start the process; it is not ready yet."""
        celery = [sys.executable, "-m", "celery", "-A", "services.workers.celery_app", "worker", "--pool", "threads"]
        options = ["--concurrency", str(self.concurrency), "-Q", self.queues, "-n", f"{self.name}@%h"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*celery, *options, *quiet], stdout=log, stderr=log, cwd=PROJECT_ROOT, env=self.env
            )

    async def start(self) -> None:
        """Start the process and wait until it takes messages."""
        self.launch()
        await eventually(
            lambda: self.process is not None and (self.process.poll() is not None or " ready." in self.log),
            timeout_seconds=90,
            what="the worker to be ready",
        )
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(self.log[-4000:])

    async def fetch(self, path: str) -> tuple[int, str]:
        """GET a path of the health server; status and body."""
        return await asyncio.to_thread(fetch, f"http://127.0.0.1:{self.http_port}{path}")

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the worker."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """`kill -9`."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=30)

    async def wait_for_exit(self, timeout_seconds: float = 30) -> int:
        """Wait until the process is gone; return its exit status."""
        process = self.process
        assert process is not None
        await eventually(lambda: process.poll() is not None, timeout_seconds=timeout_seconds, what="the worker to exit")
        return process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def fetch(url: str) -> tuple[int, str]:
    """GET with any status; 0 when nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except (urllib.error.URLError, OSError):
        return 0, ""
