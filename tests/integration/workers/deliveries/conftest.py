"""A worker's context with its trackers in an environment of their own."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.workers.deliveries.tell_task import tell_tracker
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.settings import Settings
from tests.support.client_env import client_python
from tests.support.interactive import eventually_async
from tests.support.tracked_job import TrackedJob

READER = Path(__file__).parent / "reading_trackers.py"


@dataclass
class Trackers:
    """Hands on trackers: tell one, wait for it, read what it has."""

    context: WorkerContext
    folder: Path
    python: Path

    async def tell(self, job: TrackedJob, sink: str) -> None:
        """Do what the message asks for."""
        await tell_tracker(self.context, job.id, sink)

    async def wait(self, job: TrackedJob, sink: str, *, status: str = "complete", told_step: int = 0) -> None:
        """Wait until the run is so far."""

        async def is_so_far() -> bool:
            run = await job.run(sink)
            assert run.last_error is None, run.last_error
            return run.status == status and run.told_step >= told_step

        await eventually_async(is_so_far, timeout_seconds=60, what=f"{sink} to be told")

    async def read(self, sink: str) -> dict[int, list[float]]:
        """Return the training loss that the tracker has stored, by step."""
        process = await asyncio.create_subprocess_exec(
            *(str(self.python), str(READER), sink, str(self.folder / sink)),
            env={"PATH": os.environ["PATH"]},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        return {int(step): values for step, values in json.loads(output).items()}


async def open_trackers(folder: Path, database_url: str, redis_url: str, python: Path | None) -> WorkerContext:
    """Return a worker's context."""
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": "http://127.0.0.1:9/v1"}
    settings = WorkerSettings(tracker_python=python, tracker_dir=folder)
    return await open_context(Settings.model_validate(values), settings)


@pytest.fixture(scope="session")
def trackers_python() -> Path:
    """The interpreter that has the trackers."""
    return client_python("trackers")


@pytest.fixture
async def trackers(database_url: str, redis_url: str, tmp_path: Path, trackers_python: Path) -> AsyncIterator[Trackers]:
    """A worker that has every tracker."""
    context = await open_trackers(tmp_path, database_url, redis_url, trackers_python)
    yield Trackers(context, tmp_path, trackers_python)
    await context.close()
