"""Real trackers, in real child processes: told live, killed, missing, down. The job's rows are written as its worker
writes them."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from services.workers.deliveries.tracker_desk import tell_tracker
from shared.db.repositories.tracker_runs import SINKS
from tests.integration.workers.deliveries.conftest import Trackers, open_trackers
from tests.support.interactive import eventually_async
from tests.support.stack import eventually
from tests.support.tracked_job import TrackedJob, loss_at

pytestmark = pytest.mark.client_env

STEPS = 60


def find_children() -> list[psutil.Process]:
    """Return the sinks' processes of this one."""
    return [
        child
        for child in psutil.Process().children()
        if any("deliveries.sinks" in argument for argument in child.cmdline())
    ]


def assert_full_series(series: dict[int, list[float]], last: int) -> None:
    """Assert that every step is there with its loss, and nothing else."""
    assert sorted(series) == list(range(1, last + 1))
    for step, losses in series.items():
        assert losses == [pytest.approx(loss_at(step), rel=1e-5)] * len(losses)


@pytest.mark.parametrize("sink", SINKS)
async def test_a_job_is_told_live_and_to_its_end(trackers: Trackers, sink: str) -> None:
    job = await TrackedJob.add(trackers.context.database, {"type": sink, sink: {"name": "dynasties"}})
    await job.measure(1, STEPS // 2)
    await trackers.tell(job, sink)
    await eventually_async(lambda: has_opened(job, sink), what="the run to be open")
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
    await eventually_async(lambda: has_opened(job, sink), what="the run to be open")
    await job.measure(STEPS // 2 + 1, STEPS)
    (child,) = find_children()
    os.killpg(child.pid, signal.SIGKILL)

    async def has_failed() -> bool:
        return (await job.run(sink)).tries > 0

    await eventually_async(has_failed, what="the death to be noticed")
    assert (await job.run(sink)).last_error == "The tracker's process died."
    await job.end()
    await job.lapse(sink)
    await trackers.tell(job, sink)

    async def is_complete() -> bool:
        return (await job.run(sink)).status == "complete"

    await eventually_async(is_complete, timeout_seconds=60, what="the run to be complete")
    assert_full_series(await trackers.read(sink), STEPS)


async def has_opened(job: TrackedJob, sink: str) -> bool:
    """Say whether the tracker has opened the run."""
    return (await job.run(sink)).run_ref is not None


async def test_a_worker_that_stops_hands_its_run_to_the_next_one(
    trackers: Trackers, database_url: str, redis_url: str
) -> None:
    first = await open_trackers(trackers.folder, database_url, redis_url, trackers.python)
    job = await TrackedJob.add(first.database, {"type": "wandb", "wandb": {"project": "p", "tags": ["t"]}})
    await job.measure(1, STEPS)
    await tell_tracker(first, job.id, "wandb")
    await eventually_async(lambda: has_opened(job, "wandb"), what="the run to be open")
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
    await tell_tracker(context, job.id, "trackio")

    async def is_said() -> bool:
        return (await job.run("trackio")).last_error is not None

    await eventually_async(is_said, what="the missing package to be noticed")
    run = await job.run("trackio")
    assert run.last_error == "The package trackio is not installed: see 'Trackers' in docs/operators.md."
    assert (run.status, run.tries) == ("open", 1)
    await context.close()


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
