"""Real trackers, in real child processes: told live, killed, missing, down. The job's rows are written as its worker
writes them."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from services.workers.deliveries.tell_task import tell_tracker
from shared.stores.db.repositories.tracker_runs import SINKS
from storymill.launcher.ports import find_free_port
from tests.integration.workers.deliveries.conftest import Trackers, open_trackers
from tests.support.interactive import eventually_async
from tests.support.mlflow_server import MlflowServer
from tests.support.reaper_round import reaping
from tests.support.stack import eventually
from tests.support.tracked_job import TrackedJob, loss_at
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.client_env

STEPS = 60


def find_children() -> list[psutil.Process]:
    """Return the sinks' processes of this one."""
    return [child for child in psutil.Process().children() if is_sink(child)]


def is_sink(process: psutil.Process) -> bool:
    """Say whether a process is a sink's."""
    return any("deliveries.sinks" in argument for argument in process.cmdline())


def assert_full_series(series: dict[int, list[float]], last: int) -> None:
    """Assert that every step is there with its loss, and nothing else."""
    assert sorted(series) == list(range(1, last + 1))
    for step, losses in series.items():
        assert losses == [pytest.approx(loss_at(step), rel=1e-5)] * len(losses)


@pytest.mark.parametrize("sink", ["wandb", "tensorboard"])
async def test_a_job_is_told_live_and_to_its_end(trackers: Trackers, sink: str) -> None:
    job = await TrackedJob.add(trackers.context.database, {"type": sink, sink: {"name": "dynasties"}})
    await job.measure(1, STEPS // 2)
    await trackers.tell(job, sink)
    await eventually_async(lambda: has_opened(job, sink), timeout_seconds=60, what="the run to be open")
    await job.measure(STEPS // 2 + 1, STEPS)
    await job.end()
    await trackers.wait(job, sink, told_step=STEPS)
    assert_full_series(await trackers.read(sink), STEPS)
    assert find_children() == []


@pytest.mark.parametrize("sink", SINKS)
async def test_a_killed_tracker_loses_nothing(trackers: Trackers, sink: str) -> None:
    job = await TrackedJob.add(trackers.context.database, {"type": sink, sink: {}})
    await job.measure(1, STEPS // 2)
    await trackers.tell(job, sink)
    await eventually_async(lambda: has_opened(job, sink), timeout_seconds=60, what="the run to be open")
    await job.measure(STEPS // 2 + 1, STEPS)
    (child,) = find_children()
    os.killpg(child.pid, signal.SIGKILL)
    await eventually_async(lambda: has_failed(job, sink), timeout_seconds=60, what="the death to be noticed")
    assert (await job.run(sink)).last_error == "The tracker's process died."
    await job.end()
    await job.lapse(sink)
    await trackers.tell(job, sink)
    await eventually_async(lambda: is_complete(job, sink), timeout_seconds=60, what="the run to be complete")
    assert_full_series(await trackers.read(sink), STEPS)


async def has_failed(job: TrackedJob, sink: str) -> bool:
    """Say whether telling the tracker has failed."""
    return (await job.run(sink)).tries > 0


async def is_complete(job: TrackedJob, sink: str) -> bool:
    """Say whether the tracker knows everything."""
    return (await job.run(sink)).status == "complete"


async def has_opened(job: TrackedJob, sink: str) -> bool:
    """Say whether the tracker has opened the run."""
    return (await job.run(sink)).run_ref is not None


async def test_a_tracker_that_hangs_is_killed_and_told_again(trackers: Trackers) -> None:
    trackers.context.worker_settings.tracker_answer_seconds = 0.5
    job = await TrackedJob.add(trackers.context.database, {"type": "tensorboard"})
    await job.measure(1, 3)
    await trackers.tell(job, "tensorboard")
    await eventually(lambda: len(find_children()) == 1, what="the child to be there")
    (child,) = find_children()
    child.suspend()
    await eventually_async(lambda: has_failed(job, "tensorboard"), what="the child to be given up")
    run = await job.run("tensorboard")
    assert run.last_error == "The tracker did not answer within 0.5 s."
    assert not child.is_running()
    trackers.context.worker_settings.tracker_answer_seconds = 60
    await job.end()
    await job.lapse("tensorboard")
    await trackers.tell(job, "tensorboard")
    await eventually_async(lambda: is_complete(job, "tensorboard"), timeout_seconds=60, what="the run to be complete")
    assert_full_series(await trackers.read("tensorboard"), 3)


async def test_a_tracker_that_is_down_gets_the_full_series_when_it_is_up(
    trackers: Trackers, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = find_free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    job = await TrackedJob.add(trackers.context.database, {"type": "mlflow", "mlflow": {"tags": ["t"]}})
    await job.measure(1, STEPS)
    await job.end("failed")
    await trackers.tell(job, "mlflow")
    await eventually_async(lambda: has_failed(job, "mlflow"), timeout_seconds=60, what="the tracker to be seen down")
    run = await job.run("mlflow")
    assert (run.status, run.told_step) == ("open", 0)
    async with MlflowServer(port) as server:
        await job.lapse("mlflow")
        await trackers.tell(job, "mlflow")
        await eventually_async(lambda: is_complete(job, "mlflow"), timeout_seconds=60, what="the run to be complete")
    (stored,) = server.runs.values()
    assert stored.status == "FAILED"
    assert sorted(stored.points("train_loss")) == list(range(1, STEPS + 1))
    assert stored.tags["t"] == ""


@pytest.mark.slow
async def test_a_killed_worker_leaves_no_child_and_loses_no_step(
    trackers: Trackers, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    job = await TrackedJob.add(trackers.context.database, {"type": "wandb"})
    await job.measure(1, STEPS)
    worker = make_worker(trackers, database_url, redis_url)
    async with worker, reaping(trackers.context.sender):
        await eventually_async(lambda: has_opened(job, "wandb"), timeout_seconds=60, what="the run to be open")
        children = [child for child in psutil.Process(worker.pid).children() if is_sink(child)]
        worker.kill()
        await eventually(lambda: not any(child.is_running() for child in children), what="the child to leave")
        await job.measure(STEPS + 1, 2 * STEPS)
        await job.end()
        await job.lapse("wandb")
        await worker.start()
        await eventually_async(lambda: is_complete(job, "wandb"), timeout_seconds=60, what="the run to be complete")
    assert_full_series(await trackers.read("wandb"), 2 * STEPS)


def make_worker(trackers: Trackers, database_url: str, redis_url: str) -> WorkerProcess:
    """Return a worker process, not started yet, with the same trackers."""
    return WorkerProcess(
        trackers.folder,
        database_url=database_url,
        redis_url=redis_url,
        upstream_url="http://127.0.0.1:9/v1",
        queues="maintenance,fine_tuning",
        concurrency=4,
        env={
            "STORYMILL_WORKER_TRACKER_PYTHON": str(trackers.python),
            "STORYMILL_WORKER_TRACKER_DIR": str(trackers.folder),
        },
    )


async def test_a_worker_that_stops_hands_its_run_to_the_next_one(
    trackers: Trackers, database_url: str, redis_url: str
) -> None:
    first = await open_trackers(trackers.folder, database_url, redis_url, trackers.python)
    job = await TrackedJob.add(first.database, {"type": "wandb", "wandb": {"project": "p", "tags": ["t"]}})
    await job.measure(1, STEPS)
    await tell_tracker(first, job.id, "wandb")
    await eventually_async(lambda: has_opened(job, "wandb"), timeout_seconds=60, what="the run to be open")
    await first.close()
    run = await job.run("wandb")
    assert (run.status, run.lease_until, run.last_error) == ("open", None, None)
    await job.measure(STEPS + 1, 2 * STEPS)
    await job.end()
    await trackers.tell(job, "wandb")
    await trackers.wait(job, "wandb", told_step=2 * STEPS)
    assert_full_series(await trackers.read("wandb"), 2 * STEPS)


async def test_values_that_came_after_their_step_are_told_at_the_end(trackers: Trackers) -> None:
    job = await TrackedJob.add(trackers.context.database, {"type": "tensorboard"})
    await job.measure(1, 3)
    await trackers.tell(job, "tensorboard")
    await trackers.wait(job, "tensorboard", status="open", told_step=3)
    await job.fill_in(2, valid_loss=0.5)
    await job.end()
    await trackers.wait(job, "tensorboard")
    events = b"".join(path.read_bytes() for path in (trackers.folder / "tensorboard").glob("*/events.*"))
    assert events.count(b"valid/loss") == 1


async def test_a_missing_package_is_said_and_the_run_waits(database_url: str, redis_url: str, tmp_path: Path) -> None:
    context = await open_trackers(tmp_path, database_url, redis_url, None)
    job = await TrackedJob.add(context.database, defaults=("trackio",))
    await job.measure(1, 3)
    await tell_tracker(context, job.id, "trackio")

    async def is_said() -> bool:
        return (await job.run("trackio")).last_error is not None

    await eventually_async(is_said, timeout_seconds=60, what="the missing package to be noticed")
    run = await job.run("trackio")
    assert run.last_error == "The package trackio is not installed: see 'Trackers' in docs/operators.md."
    assert (run.status, run.tries) == ("open", 1)
    await context.close()


async def test_a_job_that_waits_needs_no_process(trackers: Trackers) -> None:
    job = await TrackedJob.add(trackers.context.database, {"type": "wandb"})
    await trackers.tell(job, "wandb")

    async def is_left() -> bool:
        run = await job.run("wandb")
        return run.attempt == 1 and run.lease_until is None

    await eventually_async(is_left, what="the run to be looked at")
    assert (await job.run("wandb")).run_ref is None
    assert not (trackers.folder / "wandb").exists()


async def test_more_runs_than_places_are_all_told(trackers: Trackers) -> None:
    trackers.context.worker_settings.tracker_processes = 2
    jobs = [await TrackedJob.add(trackers.context.database, {"type": "tensorboard"}) for _ in range(4)]
    for job in jobs:
        await job.measure(1, 3)
        await job.end()
        await trackers.tell(job, "tensorboard")
    await eventually(lambda: len(find_children()) <= 2, what="no more children than places")
    for job in jobs:
        await trackers.wait(job, "tensorboard", told_step=3)
