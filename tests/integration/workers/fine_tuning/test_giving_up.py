"""A job that fails here leaves no training behind that somebody pays for and nobody follows."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

from sqlalchemy import text

from services.workers.fine_tuning.running import run_job, wait_until_due
from services.workers.fine_tuning.task import run_fine_tuning_job
from shared.outside.providers.configuration import Providers
from shared.stores.db.repositories.fine_tuning_claims import Wish
from tests.support.chance import open_chance
from tests.support.crash_points import CrashPoints, crashing_transactions
from tests.support.interactive import eventually_async
from tests.support.tuning_bench import TuningBench
from tests.support.tuning_upstream import Fault, TuningScript, TuningUpstream

JOBS = "/v1/fine_tuning/jobs$"
ONE_JOB = r"/v1/fine_tuning/jobs/[^/]+$"
CANCEL = "/cancel$"
DEFECT = "alter table fine_tuning_metric rename to fine_tuning_metric_away"
MENDED = "alter table fine_tuning_metric_away rename to fine_tuning_metric"
CRASHES = int(os.environ.get("STORYMILL_CHAOS_RUNS", "8"))
"""Of about thirty moments, from a poll that fails to the job's end; `make chaos` looks at all."""
TOLD = "training_given_up"
"""The code of the event that says what became of a training."""
RUNS = 1_000_000
"""Steps of a training that does not end by itself within a test."""


async def execute(bench: TuningBench, statement: str, **values: object) -> None:
    """Do something to the database that no worker would."""
    async with bench.context.database.transaction() as session:
        await session.execute(text(statement), values)


async def set_tries(bench: TuningBench, job_id: str, tries: int) -> None:
    """As after so many failures in a row."""
    await execute(bench, "update fine_tuning_job set tries = :tries where id = :id", tries=tries, id=job_id)


def once(pattern: str, action: Callable[[], Awaitable[None]]) -> Callable[[str], Awaitable[None]]:
    """Return a hook that acts at the first request that matches."""
    is_done = False

    async def hook(moment: str) -> None:
        nonlocal is_done
        if not is_done and re.search(pattern, moment):
            is_done = True
            await action()

    return hook


def lock_out_once_it_trains(provider: TuningUpstream) -> None:
    """One look at the events of a running training is refused, as for a key that is not valid any more."""

    async def lock_out() -> None:
        provider.faults.append(Fault("GET", "/events$", 401))

    provider.hook = once("after GET .*/checkpoints", lock_out)


async def read_codes(bench: TuningBench, job_id: str) -> list[str]:
    """Return the codes of our own events, in order."""
    return [str(event.data["code"]) for event in await bench.events(job_id) if event.data and "code" in event.data]


async def assert_given_up(
    bench: TuningBench, provider: TuningUpstream, job_id: str, code: str, outcome: str = "failed"
) -> None:
    """The job failed, no training is open, and there is one entry in the books."""
    job = await bench.row(job_id)
    assert job.error is not None
    assert (job.status, job.step, job.error["code"]) == ("failed", "done", code)
    assert provider.open_jobs == []
    assert [attempt.outcome for attempt in await bench.attempts(job_id)] == [outcome]
    assert [entry.cost_usd for entry in await bench.ledger(job_id)] == [job.cost_usd]
    assert (job.cost_usd is None) == (outcome == "unknown")
    codes = await read_codes(bench, job_id)
    assert codes[-3:] == ["given_up", "training_given_up", "failed"]


async def test_a_defect_of_ours_does_not_leave_a_paid_training_unfollowed(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    provider.script = TuningScript(steps=RUNS)
    job_id = await bench.add()

    async def break_down() -> None:
        await execute(bench, DEFECT)
        await set_tries(bench, job_id, 4)

    async def hook(moment: str) -> None:
        if any(made["step"] for made in provider.jobs.values()):
            await breaking(moment)

    breaking = once("after GET .*/events", break_down)
    provider.hook = hook
    try:
        job = await bench.run(job_id)
    finally:
        await execute(bench, MENDED)
    await assert_given_up(bench, provider, job_id, "internal_error")
    [made] = provider.jobs.values()
    assert (made["status"], job.upstream_job_id) == ("cancelled", made["id"])
    assert job.cost_usd == Decimal(made["trained_tokens"]) / 1000


async def test_a_failure_that_time_does_not_cure_cancels_the_training(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    provider.script = TuningScript(steps=RUNS)
    lock_out_once_it_trains(provider)
    job_id = await bench.add()
    await bench.run(job_id)
    await assert_given_up(bench, provider, job_id, "authentication")


async def test_a_cancel_that_fails_is_tried_again(bench: TuningBench, provider: TuningUpstream) -> None:
    provider.script = TuningScript(steps=RUNS)
    lock_out_once_it_trains(provider)
    provider.faults.append(Fault("POST", CANCEL, 500, times=2))
    job_id = await bench.add()
    await bench.run(job_id)
    await assert_given_up(bench, provider, job_id, "authentication")
    assert sum(request.startswith("POST") and request.endswith("/cancel") for request in provider.requests) == 3


async def test_a_training_that_cannot_be_cancelled_is_followed_to_its_end_and_booked(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    provider.script = TuningScript(steps=12, steps_per_look=1)
    lock_out_once_it_trains(provider)
    provider.faults.append(Fault("POST", CANCEL, 400, times=1_000))
    job_id = await bench.add()
    job = await bench.run(job_id)
    await assert_given_up(bench, provider, job_id, "authentication")
    [made] = provider.jobs.values()
    assert (made["status"], job.cost_usd) == ("succeeded", Decimal("1.2"))
    told = [event.message for event in await bench.events(job_id) if (event.data or {}).get("code") == TOLD]
    assert told == [
        f"The training {made['id']} had succeeded at upstream; its model {made['fine_tuned_model']} stays there"
    ]


async def test_a_training_whose_cost_its_provider_does_not_tell_is_booked_as_unknown(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    provider.script = TuningScript(stays_running=True)
    job_id = await bench.add()

    async def fail_silently() -> None:
        provider.faults.append(Fault("GET", "/events$", 401))

    async def keep_silent(moment: str) -> None:
        await failing(moment)
        for made in provider.jobs.values():
            made["trained_tokens"] = None

    failing = once("after GET .*/checkpoints", fail_silently)
    provider.hook = keep_silent
    await bench.run(job_id)
    await assert_given_up(bench, provider, job_id, "authentication", "unknown")


async def test_what_can_be_neither_seen_nor_cancelled_ends_as_unknown_and_says_where_to_look(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    provider.script = TuningScript(stays_running=True)
    job_id = await bench.add()

    async def lock_out() -> None:
        provider.faults += [Fault("GET", ONE_JOB, 401, times=1_000), Fault("POST", CANCEL, 401, times=1_000)]

    async def give_up_at_last(moment: str) -> None:
        await locking(moment)
        if "/cancel" in moment:
            await set_tries(bench, job_id, 119)

    locking = once("after GET .*/events", lock_out)
    provider.hook = give_up_at_last
    await bench.run(job_id)
    assert provider.open_jobs == ["ftjob-up1"]
    assert [attempt.outcome for attempt in await bench.attempts(job_id)] == ["unknown"]
    assert [entry.cost_usd for entry in await bench.ledger(job_id)] == [None]
    [told] = [event.message for event in await bench.events(job_id) if (event.data or {}).get("code") == TOLD]
    assert "ftjob-up1 at upstream may go on, and cost. Look for it there" in told


async def test_a_create_that_failed_for_good_after_it_worked_leaves_nothing_open(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    job_id = await bench.add()
    provider.faults += [Fault("POST", JOBS, 500, after=True), Fault("GET", JOBS, 500)]
    provider.hook = once(f"before GET {JOBS}", lambda: set_tries(bench, job_id, 39))
    job = await bench.run(job_id)
    await assert_given_up(bench, provider, job_id, "server_error")
    assert job.upstream_job_id == "ftjob-up1"
    assert job.cost_usd == 0


async def test_a_create_of_which_nobody_knows_is_booked_as_unknown(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    job_id = await bench.add()
    provider.faults += [Fault("POST", JOBS, 500), Fault("GET", JOBS, 500)]
    provider.hook = once(f"before GET {JOBS}", lambda: set_tries(bench, job_id, 39))
    await bench.run(job_id)
    await assert_given_up(bench, provider, job_id, "server_error", "unknown")


async def test_an_order_that_is_refused_at_once_fails_at_once(bench: TuningBench, provider: TuningUpstream) -> None:
    provider.faults.append(Fault("POST", JOBS, 400))
    job_id = await bench.add()
    job = await bench.run(job_id)
    assert (job.status, job.cost_usd) == ("failed", 0)
    assert f"GET {JOBS.removesuffix('$')}" not in provider.requests


async def test_a_training_of_a_provider_that_is_not_configured_is_cancelled_when_it_is_again(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    job_id = await leave_running(bench, provider)
    known = bench.context.providers
    bench.context.providers = Providers(tuple(replace(one, name="another") for one in known.all))
    await run_fine_tuning_job(bench.context, job_id)
    waiting = await bench.row(job_id)
    assert (waiting.step, waiting.worker_id, waiting.tries) == ("give_up", None, 1)
    assert (await read_codes(bench, job_id))[-1] == "given_up"
    bench.context.providers = known
    await bench.expire(job_id)
    await bench.run(job_id)
    await assert_given_up(bench, provider, job_id, "provider_unknown")


async def test_a_training_of_a_provider_that_never_comes_back_ends_as_unknown(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    job_id = await leave_running(bench, provider)
    known = bench.context.providers
    bench.context.providers = Providers(tuple(replace(one, name="another") for one in known.all))
    await run_fine_tuning_job(bench.context, job_id)
    await bench.expire(job_id)
    await set_tries(bench, job_id, 119)
    await run_fine_tuning_job(bench.context, job_id)
    job = await bench.row(job_id)
    assert (job.status, job.step, job.cost_usd) == ("failed", "done", None)
    assert [attempt.outcome for attempt in await bench.attempts(job_id)] == ["unknown"]


async def leave_running(bench: TuningBench, provider: TuningUpstream) -> str:
    """Return a job that runs at its provider and whose worker has died."""
    provider.script = TuningScript(stays_running=True)
    job_id = await bench.add()
    held = await bench.claim(job_id)
    assert held is not None
    worker = asyncio.create_task(run_job(held))

    async def is_running() -> bool:
        return (await bench.row(job_id)).status == "running"

    await eventually_async(is_running)
    worker.cancel()
    await asyncio.wait({worker})
    await bench.expire(job_id)
    return job_id


async def test_a_crash_at_any_moment_of_giving_up_leaves_nothing_open(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    provider.script = TuningScript(stays_running=True)
    # Without patience: the key that is refused to one job after the other would be a verdict, and the next would wait.
    bench.context.worker_settings = bench.context.worker_settings.model_copy(update={"run_patience_seconds": 0})
    points = CrashPoints()
    await give_up_with(bench, provider, points)
    moments = range(1, points.passed + 1)
    chosen = open_chance("crashes while a job is given up").sample(moments, min(CRASHES, len(moments)))
    for at in chosen:
        points = CrashPoints(at)
        job_id = await give_up_with(bench, provider, points)
        assert points.reached.is_set(), at
        await bench.expire(job_id)
        if (await bench.row(job_id)).step != "done":
            await bench.run(job_id)
        await assert_given_up(bench, provider, job_id, "authentication")


async def give_up_with(bench: TuningBench, provider: TuningUpstream, points: CrashPoints) -> str:
    """Run a job that fails while its provider trains it; its worker may die from then on. Return its id."""
    provider.faults.clear()
    job_id = await leave_running(bench, provider)
    provider.faults.append(Fault("GET", "/events$", 401, times=1_000))
    held = await bench.claim(job_id)
    assert held is not None
    provider.hook = points.pass_outside
    async with crashing_transactions(bench.context.database, points):
        points.victim = asyncio.create_task(run_job(held))
        await asyncio.wait({points.victim}, timeout=30)
    provider.hook = None
    assert points.victim.done()
    return job_id


async def test_a_sleeper_cancels_what_it_makes_for_a_job_that_was_given_up(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    job_id = await bench.add()
    held = await bench.claim(job_id)
    assert held is not None
    asleep, awake = asyncio.Event(), asyncio.Event()

    async def sleep() -> None:
        asleep.set()
        await awake.wait()

    provider.hook = once(f"before POST {JOBS}", sleep)
    sleeper = asyncio.create_task(run_job(held))
    await asyncio.wait_for(asleep.wait(), 30)
    await bench.expire(job_id)
    await set_tries(bench, job_id, 1)
    provider.faults.append(Fault("POST", JOBS, 400))
    refused = await bench.run(job_id)
    assert refused.status == "failed"
    provider.faults.append(Fault("POST", CANCEL, 500))
    awake.set()
    await asyncio.wait({sleeper}, timeout=30)
    assert sleeper.done()
    assert len(provider.jobs) == 1
    assert provider.open_jobs == []


async def test_a_budget_that_the_provider_does_not_heed_is_told_once(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    provider.script = TuningScript(steps=30, steps_per_look=1)
    provider.faults.append(Fault("POST", "/(pause|cancel)$", 400, times=1_000))
    job_id = await bench.add(budget_usd=Decimal("0.5"))
    held = await bench.claim(job_id)
    assert held is not None
    running = asyncio.create_task(run_job(held))
    while not running.done():
        job = await bench.row(job_id)
        held.hear(Wish(job.wanted, job.wanted_by or "") if job.wanted else None)
        await asyncio.sleep(0)
    assert (await bench.row(job_id)).status == "succeeded"
    codes = await read_codes(bench, job_id)
    assert [codes.count(code) for code in ("budget", "budget_not_held", "refused")] == [2, 1, 0]


async def test_a_wish_that_failed_waits_like_any_failure(bench: TuningBench, provider: TuningUpstream) -> None:
    job_id = await leave_running(bench, provider)
    held = await bench.claim(job_id)
    assert held is not None
    await bench.ask(job_id, "cancel")
    held.hear(Wish("cancel", bench.api_key_id))
    await held.wait(30)  # what is new ends a wait, once
    await execute(bench, "update fine_tuning_job set not_before = now() + interval '0.2 s' where id = :id", id=job_id)
    job = await held.load()
    held.hear(Wish("cancel", bench.api_key_id))
    await wait_until_due(held, job)
    async with bench.context.database.transaction() as session:
        due = await session.scalar(
            text("select not_before <= now() from fine_tuning_job where id = :id"), {"id": job_id}
        )
    assert due


async def test_a_job_whose_training_is_over_is_booked_even_where_it_fails_later(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    job_id = await bench.add()
    provider.faults.append(Fault("GET", "/content$", 500))
    provider.hook = once("before GET .*/content", lambda: set_tries(bench, job_id, 39))
    job = await bench.run(job_id)
    assert (job.status, job.cost_usd) == ("failed", Decimal("0.6"))
    assert [attempt.outcome for attempt in await bench.attempts(job_id)] == ["failed"]
    assert (await read_codes(bench, job_id))[-2:] == ["model_left", "failed"]
