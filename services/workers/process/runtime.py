"""The life of a worker process: the loop and the context come up with Celery, jobs run on them, and at SIGTERM
they go down in a bounded time. Knows Celery's signals only by the methods they call."""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from services.workers.process.bridge import JobCancelledError, LoopBridge
from services.workers.process.context import Part, WorkerContext, open_context
from services.workers.process.health import HealthServer
from services.workers.process.metrics import note_job
from services.workers.process.running_jobs import CANCEL_SECONDS, RunningJobs
from services.workers.process.settings import WorkerSettings, load_worker_settings
from shared.garbage import settle_garbage
from shared.observability.logs import get_logger
from shared.settings import Settings, load_settings

JobBody = Callable[..., Awaitable[None]]
"""`async def run(context: WorkerContext, **ids) -> None`."""

LAST_EXIT_SECONDS = 3.0
"""After the jobs are gone: how long Celery may take to leave (a dead broker can hold it for ever)."""
CLOSE_SECONDS = 4.0

log = get_logger(__name__)


class WorkerRuntime:
    """One per process. `start` on `worker_init` or on the first job; `begin_stop` on SIGTERM; `close` at the end."""

    def __init__(self, bridge: LoopBridge | None = None) -> None:
        self.bridge = bridge or LoopBridge()
        self._lock = threading.Lock()
        self._context: WorkerContext | None = None
        self._health: HealthServer | None = None
        self._stop: threading.Thread | None = None
        self._jobs_ended = threading.Event()
        self.is_stopping = False

    def start(self) -> WorkerContext:
        """Start the loop, open the context and the health server, once; return the context.

        Raises: pydantic's ValidationError or ProvidersFileError for bad settings, OSError for a port in use."""
        with self._lock:
            if self._context is None:
                settings, worker_settings = load_settings(), load_worker_settings()
                self.bridge.start()
                self._context, self._health = self.bridge.run(open_process(settings, worker_settings, self.bridge.jobs))
                settle_garbage()
            return self._context

    def start_parts(self, parts: Collection[type[Part]], concurrency: int) -> None:
        """Start what must listen before the first job comes, in a process of so many jobs at once."""
        context = self.start()
        context.concurrency = concurrency
        for part in parts:
            self.bridge.run(context.part(part))

    def run_job(self, name: str, body: JobBody, ids: dict[str, Any]) -> None:
        """Run a job's body on the loop, from a Celery thread, until it is done or the worker stops."""
        context = self.start()
        try:
            with note_job(name):
                self.bridge.run_job(await_body(body, context, ids))
        except JobCancelledError:
            log.info("job_handed_back", job=name, **ids)

    def begin_stop(self) -> None:
        """Called inside the signal handler: start the bounded way down in a thread and return at once."""
        if not self.is_stopping and self._context is not None:
            self.is_stopping = True
            self._stop = threading.Thread(target=self._stop_jobs, name="worker-stop", daemon=True)
            self._stop.start()

    def _stop_jobs(self) -> None:
        context = self.start()
        try:
            drained = self.bridge.run(stop_jobs(context))
        finally:
            self._jobs_ended.set()
        log.info("jobs_stopped", drained=drained, jobs_left=context.jobs.count)
        time.sleep(LAST_EXIT_SECONDS + CLOSE_SECONDS)
        # Celery's own way out waits for its threads and its broker without bound. Every row is handed back or has
        # a lease that ends, so leaving hard loses nothing.
        log.warning("exit_forced")
        os._exit(1)

    def close(self) -> None:
        """Close the context and the loop; Celery runs no task any more. Jobs that are none of its tasks are ended
        first."""
        if self._stop is not None:
            self._jobs_ended.wait(self.start().worker_settings.drain_seconds + CANCEL_SECONDS + CLOSE_SECONDS)
        with self._lock:
            context, health = self._context, self._health
            if context is None:
                return
            self._context = self._health = None
        self.bridge.run(close_process(context, health))
        self.bridge.stop()


async def open_process(
    settings: Settings, worker_settings: WorkerSettings, jobs: RunningJobs
) -> tuple[WorkerContext, HealthServer | None]:
    """Open the context, and the health server if a port is set."""
    context = await open_context(settings, worker_settings, jobs)
    if worker_settings.http_port is None:
        return context, None
    health = HealthServer(context)
    await health.start(worker_settings.http_host, worker_settings.http_port)
    return context, health


async def close_process(context: WorkerContext, health: HealthServer | None) -> None:
    """Close what `open_process` opened, in bounded time."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            if health is not None:
                await health.stop()
            await context.close()
    except TimeoutError:
        log.warning("context_not_closed_in_time")


async def await_body(body: JobBody, context: WorkerContext, ids: dict[str, Any]) -> None:
    """Await a body as a coroutine, which is what a loop takes."""
    await body(context, **ids)


async def stop_jobs(context: WorkerContext) -> bool:
    """Let jobs finish for `drain_seconds`, then cancel them; say whether all finished by themselves."""
    context.stopping.set()
    drained = await context.jobs.wait(context.worker_settings.drain_seconds)
    if not drained and not await context.jobs.cancel():
        log.warning("jobs_did_not_stop", seconds=CANCEL_SECONDS, jobs=context.jobs.count)
    return drained
