"""A fine-tuning job that takes its workers with it: it fails, and no training that it may have at its provider goes on
unfollowed or unbooked."""

import asyncio
import re
from functools import partial

import pytest
from aiohttp import web

from services.workers.fine_tuning.desk import run_kept
from services.workers.fine_tuning.failures import WORKER_LOST
from services.workers.fine_tuning.lease import FINE_TUNING_ROWS
from services.workers.leases.death_count import DeathCount
from services.workers.leases.deaths import MOST_DEATHS, say_worker_died
from services.workers.leases.working import work_while_held
from tests.support.tuning_bench import TuningBench
from tests.support.tuning_upstream import TuningScript, TuningUpstream

INTENDED = "before POST /v1/fine_tuning/jobs$"
ORDERED = "after POST /v1/fine_tuning/jobs$"
RUNNING = "after GET .*/events"


async def die(bench: TuningBench, job_id: str, times: int = MOST_DEATHS) -> None:
    """As after so many claims whose workers died with it."""
    for _ in range(times):
        await DeathCount(bench.context.redis, FINE_TUNING_ROWS.name, job_id).begin()


async def claim_and_work(bench: TuningBench, job_id: str) -> None:
    """Do what a worker does with a job, until it is over or left."""
    held = await bench.claim(job_id)
    assert held is not None
    await work_while_held(bench.context, FINE_TUNING_ROWS, held, held.lease, partial(run_kept, held))
    await held.provider.close()
    await bench.expire(job_id)


async def leave(bench: TuningBench, provider: TuningUpstream, job_id: str, moment: str) -> None:
    """Work on a job until a request to its provider, which does not come through when the moment is before it."""
    working = asyncio.create_task(claim_and_work(bench, job_id))

    async def stop(at: str) -> None:
        if re.search(moment, at):
            provider.hook = None
            working.cancel()
            if at.startswith("before"):
                raise web.HTTPServiceUnavailable

    provider.hook = stop
    await asyncio.wait({working}, timeout=30)
    assert working.cancelled(), moment
    await bench.expire(job_id)


async def claim_and_die(bench: TuningBench, job_id: str) -> None:
    """A first claim, of which nothing remains."""
    assert await bench.claim(job_id) is not None
    await bench.expire(job_id)


async def test_before_anything_was_ordered_it_fails_and_costs_nothing(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    job_id = await bench.add()
    await claim_and_die(bench, job_id)
    await die(bench, job_id)
    await claim_and_work(bench, job_id)
    job = await bench.row(job_id)
    assert (job.status, job.step, job.cost_usd) == ("failed", "done", 0)
    assert job.error is not None
    assert (job.error["code"], job.error["message"]) == (WORKER_LOST, say_worker_died(MOST_DEATHS))
    assert provider.requests == []


async def test_a_training_under_way_is_cancelled_and_booked(bench: TuningBench, provider: TuningUpstream) -> None:
    provider.script = TuningScript(stays_running=True)
    job_id = await bench.add()
    await leave(bench, provider, job_id, RUNNING)
    await die(bench, job_id)
    await claim_and_work(bench, job_id)
    assert (await bench.row(job_id)).step == "give_up"
    await claim_and_work(bench, job_id)
    job = await bench.row(job_id)
    assert job.error is not None
    assert (job.status, job.error["code"], provider.open_jobs) == ("failed", WORKER_LOST, [])
    assert len(await bench.ledger(job_id)) == 1


@pytest.mark.parametrize("is_made", [True, False])
async def test_an_order_that_may_have_left_is_looked_for(
    bench: TuningBench, provider: TuningUpstream, *, is_made: bool
) -> None:
    job_id = await bench.add()
    await leave(bench, provider, job_id, ORDERED if is_made else INTENDED)
    await die(bench, job_id)
    for _ in range(2):
        await claim_and_work(bench, job_id)
    job = await bench.row(job_id)
    assert (job.status, provider.open_jobs) == ("failed", [])
    [attempt] = await bench.attempts(job_id)
    assert attempt.outcome == ("failed" if is_made else "unknown")
    assert len(await bench.ledger(job_id)) == 1


async def test_giving_up_that_kills_as_well_ends_as_unknown(bench: TuningBench, provider: TuningUpstream) -> None:
    provider.script = TuningScript(stays_running=True)
    job_id = await bench.add()
    await leave(bench, provider, job_id, RUNNING)
    for _ in range(2):
        await die(bench, job_id)
        await claim_and_work(bench, job_id)
    job = await bench.row(job_id)
    assert (job.status, job.step) == ("failed", "done")
    assert [attempt.outcome for attempt in await bench.attempts(job_id)] == ["unknown"]


async def test_a_job_that_gets_on_between_deaths_survives_any_number_of_them(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    job_id = await bench.add()
    await claim_and_die(bench, job_id)
    for moment in (INTENDED, RUNNING):
        await die(bench, job_id, MOST_DEATHS - 1)
        await leave(bench, provider, job_id, moment)
    await die(bench, job_id, MOST_DEATHS - 1)
    await claim_and_work(bench, job_id)
    assert (await bench.row(job_id)).status == "succeeded"


async def test_a_worker_that_has_lost_a_job_leaves_its_count_to_the_owner(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    asleep, awake = asyncio.Event(), asyncio.Event()

    async def sleep(at: str) -> None:
        if re.search("before POST /v1/files$", at):
            provider.hook = None
            asleep.set()
            await awake.wait()

    job_id = await bench.add()
    await claim_and_die(bench, job_id)
    provider.hook = sleep
    sleeper = asyncio.create_task(claim_and_work(bench, job_id))
    await asyncio.wait_for(asleep.wait(), 30)
    await bench.expire(job_id)
    assert await bench.claim(job_id) is not None
    await die(bench, job_id, 4)
    awake.set()
    await asyncio.wait_for(sleeper, 30)
    owners = DeathCount(bench.context.redis, FINE_TUNING_ROWS.name, job_id)
    await owners.begin(counts=False)
    assert owners.count == 4
