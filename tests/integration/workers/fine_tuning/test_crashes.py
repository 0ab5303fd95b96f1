"""A worker may die or fall asleep at any moment of a job: there is one job at the provider, one model, one entry in the
books, and no event is lost or doubled. `make chaos` looks at every moment; here is a chance choice of them."""

import asyncio
import os

import pytest

from services.workers.fine_tuning.running import run_job
from tests.support.chance import open_chance
from tests.support.crash_points import CrashPoints, crashing_transactions
from tests.support.tuning_bench import TuningBench, make_rows
from tests.support.tuning_upstream import TuningUpstream

RUNS = int(os.environ.get("STORYMILL_CHAOS_RUNS", "26"))
"""Half of them crashes, half of them workers that are slow and wake up when the job is another's."""
FEWEST_REACHED = 0.8
"""A job has a few moments more or less each time, so that the last ones may not come; if more are missing, nothing was
tested."""
CODES = ["created", "estimated", "enqueued", "started", "result_file", "model", "succeeded"]
ADOPTIONS = ("metadata", "suffix", "training_file")


async def add_job(bench: TuningBench) -> str:
    """Add the job that is crashed."""
    return await bench.add(suffix="ultraman", validation=make_rows(2, start=50))


async def count_points(bench: TuningBench, provider: TuningUpstream) -> int:
    """Return how many moments a job has when nothing goes wrong."""
    points = CrashPoints()
    await run_with(bench, provider, await add_job(bench), points)
    return points.passed


async def run_with(bench: TuningBench, provider: TuningUpstream, job_id: str, points: CrashPoints) -> None:
    """Run a job until it ends or its worker has crashed; one that sleeps is left asleep."""
    held = await bench.claim(job_id)
    assert held is not None
    provider.hook = points.pass_outside
    async with crashing_transactions(bench.context.database, points):
        points.victim = asyncio.create_task(run_job(held))
        reached = asyncio.create_task(points.reached.wait())
        await asyncio.wait({points.victim, reached}, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        reached.cancel()
        if points.reached.is_set() and not points.sleeps:
            await asyncio.wait({points.victim}, timeout=30)
    provider.hook = None


async def assert_one_of_everything(bench: TuningBench, provider: TuningUpstream, job_id: str, where: str) -> None:
    """Hold our side against the provider's."""
    job = await bench.row(job_id)
    assert (job.status, job.step) == ("succeeded", "done"), (where, job.error)
    [made] = [item for item in provider.live_jobs if item["id"] not in KNOWN]
    assert made["id"] == job.upstream_job_id, where
    events = await bench.events(job_id)
    assert [event.position for event in events] == list(range(1, len(events) + 1)), where
    told = [event["id"] for event in provider.events[made["id"]]]
    assert [event.upstream_id for event in events if event.upstream_id] == told, where
    assert [event.data["code"] for event in events if event.data and "code" in event.data] == CODES, where
    assert [(metric.step, metric.train_loss) for metric in await bench.metrics(job_id)] == [
        (step, 2.0 / step) for step in range(1, provider.script.steps + 1)
    ], where
    assert [model.name for model in await bench.models(job_id)] == [made["fine_tuned_model"]], where
    assert [attempt.outcome for attempt in await bench.attempts(job_id)] == ["succeeded"], where
    assert [entry.cost_usd for entry in await bench.ledger(job_id)] == [job.cost_usd], where
    KNOWN.update(provider.jobs)


KNOWN: set[str] = set()
"""The provider's jobs of the runs before."""


@pytest.mark.timeout(1800)
async def test_a_crash_at_any_moment_leaves_one_job_and_every_event(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    KNOWN.clear()
    chosen = open_chance("crashes of a fine-tuning job")
    reached = 0
    total = await count_points(bench, provider)
    KNOWN.update(provider.jobs)
    for run in range(RUNS):
        adoption, sleeps = ADOPTIONS[run % 3], run % 2 == 1
        bench.override(adoption=adoption)
        at = run // 2 % total + 1 if total * 2 <= RUNS else chosen.randint(1, total)
        points = CrashPoints(at, sleeps=sleeps)
        job_id = await add_job(bench)
        await run_with(bench, provider, job_id, points)
        where = f"run {run}: {'sleeps' if sleeps else 'dies'} {points.where} ({at} of {total}, {adoption})"
        reached += points.reached.is_set()
        if not points.reached.is_set():
            await assert_one_of_everything(bench, provider, job_id, where)
            continue
        await bench.expire(job_id)
        if (await bench.row(job_id)).step != "done":
            await bench.run(job_id)
        if sleeps and points.victim is not None:
            points.wake()
            await asyncio.wait({points.victim}, timeout=30)
            assert points.victim.done(), where
        await assert_one_of_everything(bench, provider, job_id, where)
    assert reached >= RUNS * FEWEST_REACHED, f"only {reached} of {RUNS} moments were reached"
