"""Fine-tuning jobs and trackers whose only way out is a proxy."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.workers.deliveries.tell_task import tell_tracker
from services.workers.process.context import open_context
from services.workers.process.settings import WorkerSettings
from shared.settings import Settings
from storymill.launcher.ports import find_free_port
from tests.integration.outgoing.conftest import PROVIDER
from tests.support.client_env import client_python
from tests.support.forward_proxy import ForwardProxy
from tests.support.interactive import eventually_async
from tests.support.mlflow_server import MlflowServer
from tests.support.tracked_job import TrackedJob
from tests.support.tuning_bench import TuningBench, open_tuning_bench
from tests.support.tuning_upstream import TuningUpstream


@pytest.fixture
async def provider(proxy: ForwardProxy) -> AsyncIterator[TuningUpstream]:
    """A provider of the fine-tuning protocol behind the proxy."""
    async with TuningUpstream() as server:
        proxy.names[PROVIDER] = int(server.url.removesuffix("/v1").rpartition(":")[2])
        yield server


@pytest.fixture
async def bench(
    tmp_path: Path, database_url: str, redis_url: str, provider: TuningUpstream
) -> AsyncIterator[TuningBench]:
    """A worker that knows the provider's name alone."""
    async with open_tuning_bench(tmp_path, database_url, redis_url, f"http://{PROVIDER}/v1") as opened:
        yield opened


async def test_a_fine_tuning_job_goes_through_the_proxy_from_upload_to_results(
    bench: TuningBench, provider: TuningUpstream, proxy: ForwardProxy
) -> None:
    row = await bench.run(await bench.add())
    assert row.status == "succeeded", row.error
    assert len(proxy.asked) == len(provider.requests) > 4
    assert all(line.split(" ")[1].startswith(f"http://{PROVIDER}/v1/") for line in proxy.asked)


async def test_a_job_whose_proxy_refuses_waits_as_for_a_provider_that_is_away(
    bench: TuningBench, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:1080")
    held = await bench.claim(await bench.add())
    assert held is not None
    with pytest.raises(Exception, match="The proxy of the environment cannot be used"):
        await held.provider.get_job("ftjob-1")
    await held.provider.close()


async def test_a_job_whose_provider_is_in_no_proxy_does_not_ask_the_proxy(
    bench: TuningBench, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name means nothing outside the proxy: so there is no connection, and nobody else is asked."""
    monkeypatch.setenv("NO_PROXY", PROVIDER)
    held = await bench.claim(await bench.add())
    assert held is not None
    with pytest.raises(Exception, match="cannot connect to the provider"):
        await held.provider.get_job("ftjob-1")
    await held.provider.close()
    assert proxy.asked == []


@pytest.fixture(scope="session")
def trackers_python() -> Path:
    """The interpreter that has the trackers: made, where it is missing, before any proxy is set."""
    return client_python("trackers")


@pytest.mark.client_env
@pytest.mark.slow
async def test_a_tracker_is_told_through_the_proxy(
    trackers_python: Path,
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    proxy: ForwardProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.test")
    settings = Settings.model_validate({"database_url": database_url, "redis_url": redis_url})
    trackers = WorkerSettings(tracker_python=trackers_python, tracker_dir=tmp_path)
    context = await open_context(settings, trackers)
    job = await TrackedJob.add(context.database, {"type": "mlflow"})
    await job.measure(1, 3)
    await job.end()

    async def is_complete() -> bool:
        return (await job.run("mlflow")).status == "complete"

    async with MlflowServer(proxy.names.setdefault("mlflow.test", find_free_port())) as server:
        await tell_tracker(context, job.id, "mlflow")
        await eventually_async(is_complete, timeout_seconds=60, what="the tracker to be told")
        (stored,) = server.runs.values()
    await context.close()
    assert sorted(stored.points("train_loss")) == [1, 2, 3]
    assert "POST http://mlflow.test/api/2.0/mlflow/runs/log-batch" in proxy.asked
