"""Volume runs of an installation whose one way out is a proxy."""

from collections.abc import AsyncIterator

import pytest

from services.workers.generation.work_task import work_generation
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.settings import Settings
from tests.integration.outgoing.conftest import PROVIDER
from tests.support.forward_proxy import ForwardProxy
from tests.support.upstream import ScriptedUpstream
from tests.support.volume import VolumeBench, open_volume_bench

ROWS = 40


@pytest.fixture
async def bench(database_url: str, redis_url: str) -> AsyncIterator[VolumeBench]:
    async with open_volume_bench(database_url, redis_url) as opened:
        yield opened


@pytest.fixture
async def worker(database_url: str, redis_url: str, proxy: ForwardProxy) -> AsyncIterator[WorkerContext]:
    """A worker whose provider has a name that only the proxy knows."""
    assert proxy.url
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": f"http://{PROVIDER}/v1"}
    opened = await open_context(Settings.model_validate(values), WorkerSettings(run_patience_seconds=1))
    yield opened
    await opened.close()


async def test_a_run_goes_through_the_proxy(
    bench: VolumeBench, worker: WorkerContext, proxy: ForwardProxy, upstream: ScriptedUpstream
) -> None:
    proxy.names[PROVIDER] = upstream.port
    run_id = await bench.add(ROWS)
    await work_generation(worker, run_id)
    run = await bench.run(run_id)
    assert (run.status, run.succeeded, run.failed) == ("succeeded", ROWS, 0)
    assert sum(f"POST http://{PROVIDER}" in line for line in proxy.asked) == ROWS


async def test_a_run_whose_provider_is_in_no_proxy_does_not_ask_the_proxy(
    bench: VolumeBench,
    worker: WorkerContext,
    proxy: ForwardProxy,
    upstream: ScriptedUpstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The name means nothing outside the proxy: so the run is paused as for a provider that is away, and no row
    fails."""
    monkeypatch.setenv("NO_PROXY", PROVIDER)
    proxy.names[PROVIDER] = upstream.port
    run_id = await bench.add(3)
    await work_generation(worker, run_id)
    run = await bench.run(run_id)
    assert (run.status, run.failed) == ("paused", 0)
    assert "cannot connect to the provider" in (run.status_reason or "")
    assert proxy.asked == []
    assert upstream.calls == []
