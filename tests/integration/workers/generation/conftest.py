"""A bench for volume runs, and workers of the test's own."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.settings import Settings
from tests.support.upstream import ScriptedUpstream
from tests.support.volume import VolumeBench, open_volume_bench
from tests.support.worker_process import WorkerProcess

MakeWorker = Callable[..., WorkerProcess]


@pytest.fixture
async def bench(database_url: str, redis_url: str) -> AsyncIterator[VolumeBench]:
    """A project, a key, and hands on the tables."""
    async with open_volume_bench(database_url, redis_url) as opened:
        yield opened


@pytest.fixture
async def context(database_url: str, redis_url: str, upstream: ScriptedUpstream) -> AsyncIterator[WorkerContext]:
    """A worker's context inside the test's own loop: job bodies can be awaited."""
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    opened = await open_context(Settings.model_validate(values), WorkerSettings())
    yield opened
    await opened.close()


@pytest.fixture
def make_worker(database_url: str, redis_url: str, upstream: ScriptedUpstream, tmp_path: Path) -> MakeWorker:
    """Build (not start) worker processes on the test's stores."""

    def make(name: str = "worker", queues: str = "generation,maintenance", **options: object) -> WorkerProcess:
        return WorkerProcess(
            tmp_path,
            database_url=database_url,
            redis_url=redis_url,
            upstream_url=upstream.url,
            queues=queues,
            concurrency=4,
            name=name,
            **options,  # type: ignore[arg-type]
        )

    return make
