"""A real worker, killed on the way, and the real engine with a tiny model: a job becomes a model that writes."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from shared.contracts.queue.messages import RunFineTuningJob
from shared.stores.queue.celery_app import make_celery
from shared.stores.queue.line import ServingLine
from shared.stores.queue.sender import TaskSender
from shared.stores.redis.connection import open_redis
from tests.support.engine_process import EngineProcess
from tests.support.interactive import eventually_async
from tests.support.reaper_round import reaping
from tests.support.tiny_model import build_tiny_model
from tests.support.tuning_bench import TuningBench, make_rows, open_tuning_bench
from tests.support.worker_process import WorkerProcess


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    model = build_tiny_model(tmp_path / "tiny")
    running = EngineProcess(model, tmp_path / "state")
    yield running
    running.stop()


async def test_a_killed_worker_loses_nothing_of_a_job_at_the_engine(
    tmp_path: Path, database_url: str, redis_url: str, engine: EngineProcess
) -> None:
    sender = TaskSender(make_celery(redis_url), ServingLine(open_redis(redis_url)))
    async with open_tuning_bench(tmp_path, database_url, redis_url, engine.base_url) as bench:
        job_id = await bench.add(
            make_rows(12),
            validation=make_rows(3, start=50),
            model="tiny",
            base_model="tiny",
            provider="engine",
            suffix="hero",
            method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 1}}},
        )
        async with make_worker(tmp_path, database_url, redis_url, engine, "first") as first, reaping(sender):
            await sender.send(RunFineTuningJob(job_id))
            await eventually_async(lambda: has_status(bench, job_id, "queued", "running"), timeout_seconds=60)
            first.kill()
            await bench.expire(job_id)
            async with make_worker(tmp_path, database_url, redis_url, engine, "second"):
                await sender.send(RunFineTuningJob(job_id))
                await eventually_async(lambda: has_status(bench, job_id, "succeeded", "failed"), timeout_seconds=120)
        await assert_equal_to_the_engine(bench, job_id, engine)
    await asyncio.to_thread(sender.close)


def make_worker(tmp_path: Path, database_url: str, redis_url: str, engine: EngineProcess, name: str) -> WorkerProcess:
    """Return a worker for fine-tuning whose provider is the engine."""
    return WorkerProcess(
        tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        upstream_url="",
        queues="fine_tuning,maintenance",
        name=name,
        env={"STORYMILL_ENGINE_URL": engine.base_url, "STORYMILL_OBJECT_STORE_DIR": str(tmp_path / "objects")},
    )


async def has_status(bench: TuningBench, job_id: str, *statuses: str) -> bool:
    """Say whether the job is in one of these states."""
    return (await bench.row(job_id)).status in statuses


async def assert_equal_to_the_engine(bench: TuningBench, job_id: str, engine: EngineProcess) -> None:
    """Hold our side against the engine's, and let the model write."""
    job = await bench.row(job_id)
    assert (job.status, job.error) == ("succeeded", None)
    async with openai.AsyncOpenAI(base_url=engine.base_url, api_key="unused", max_retries=0) as client:
        [made] = [item async for item in client.fine_tuning.jobs.list()]
        told = [event.id async for event in client.fine_tuning.jobs.list_events(made.id, limit=100)]
        assert made.fine_tuned_model == job.fine_tuned_model
        written = await client.completions.create(model=str(job.fine_tuned_model), prompt="唐 ->", max_tokens=4)
        assert written.choices
    events = await bench.events(job_id)
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    assert [event.upstream_id for event in events if event.upstream_id] == told[::-1]
    metrics = [metric for metric in await bench.metrics(job_id) if metric.train_loss is not None]
    assert [metric.step for metric in metrics] == list(range(1, 25))
    assert len((await bench.read_result(job_id)).splitlines()) == 25
    assert len(await bench.models(job_id)) == len(await bench.ledger(job_id)) == 1
