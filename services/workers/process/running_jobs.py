"""The jobs of a process that are under way, so that a worker that stops can wait for them and end them. Lives on the
loop. Knows no job."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

CANCEL_SECONDS: Final = 3.0
"""How long cancelled jobs may take to hand their rows back."""


class RunningJobs:
    """Tasks, from the start of their job to the end of its clean-up."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def count(self) -> int:
        """Jobs under way."""
        return len(self._tasks)

    async def track(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await a job's coroutine as one of the jobs: in a task of its own."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            return await coroutine
        finally:
            self._tasks.discard(task)

    def start(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Start a job that nobody waits for; it must not raise."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait until no job is under way; False when the time is up first."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_seconds)
        return not self._tasks

    async def cancel(self) -> bool:
        """Cancel every job and wait for their clean-up; False when some are not done in time."""
        for task in self._tasks:
            task.cancel()
        return await self.wait(CANCEL_SECONDS)
