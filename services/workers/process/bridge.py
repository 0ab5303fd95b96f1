"""The one place where Celery's threads meet asyncio: a loop (uvloop) in a background thread, to which task bodies
hand their coroutines and wait. Knows no job."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

import uvloop

from services.workers.process.running_jobs import RunningJobs
from shared.errors import StorymillError

T = TypeVar("T")

START_SECONDS = 10.0


class BridgeError(StorymillError):
    """The loop cannot be used from here; the message says why."""


class JobCancelledError(StorymillError):
    """The worker stops; the job handed its row back."""


class LoopBridge:
    """A loop in a thread of its own. Thread-safe. Start it after any fork: it does not survive one."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._lock = threading.Lock()
        self.jobs = RunningJobs()

    def start(self) -> None:
        """Start the loop, once."""
        with self._lock:
            if self._loop is not None:
                return
            loop = uvloop.new_event_loop()
            ready = threading.Event()
            loop.call_soon(ready.set)
            self._thread = threading.Thread(target=_run_loop, args=(loop,), name="worker-loop", daemon=True)
            self._thread.start()
            if not ready.wait(START_SECONDS):
                raise BridgeError("the worker's loop did not start")
            self._loop, self._pid = loop, os.getpid()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` on the loop and wait for it, from any other thread. Not among the `jobs`."""
        return self._submit(coroutine).result()

    def run_job(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a job's coroutine on the loop and wait for it, from a Celery thread.

        Raises: JobCancelledError when `jobs` were cancelled in between, after the coroutine has cleaned up."""
        try:
            return self._submit(self.jobs.track(coroutine)).result()
        except CancelledError as error:
            raise JobCancelledError("the worker stops") from error

    def stop(self) -> None:
        """End the loop and its thread; what still runs is dropped."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(START_SECONDS)

    def _submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        loop = self._loop
        if loop is None or self._pid != os.getpid():
            coroutine.close()
            reason = "is not running" if loop is None else "stayed in the parent process: run with --pool threads"
            raise BridgeError(f"the worker's loop {reason}")
        return asyncio.run_coroutine_threadsafe(coroutine, loop)


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
