"""A story that takes its workers with it, one after the other: it ends, and is not paid for without end."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence

import pytest
from sqlalchemy import update

from services.workers.generation.caution import MOST_DEATHS as MOST_DEATHS_UNBOOKED
from services.workers.generation.lease import GENERATION_ROWS
from services.workers.generation.work_task import work_generation
from services.workers.job_table import ROW_KINDS
from services.workers.leases.death_count import DeathCount
from services.workers.leases.deaths import MOST_DEATHS, SUSPECT_DEATHS, say_worker_died
from services.workers.maintenance.reap_task import reap
from services.workers.maintenance.store_watch import StoreWatch
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared import ids
from shared.clock import utc_now
from shared.contracts.queue.messages import WorkGeneration
from shared.settings import Settings
from shared.stores.db.models import Attempt, Story
from tests.support.interactive import eventually_async
from tests.support.stack import PROJECT_ROOT, eventually
from tests.support.upstream import MODEL, ScriptedUpstream
from tests.support.volume import VolumeBench


@pytest.fixture
async def reaper(database_url: str, redis_url: str, upstream: ScriptedUpstream) -> AsyncIterator[WorkerContext]:
    """A worker that may reap."""
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    opened = await open_context(Settings.model_validate(values), WorkerSettings(lease_seconds=0.5))
    yield opened
    await opened.close()


async def reap_steadily(reaper: WorkerContext) -> None:
    """Reap at a moment when the store counts as steady: on a busy machine it is not always so."""
    watch = await reaper.part(StoreWatch)
    await eventually(lambda: watch.is_steady, timeout_seconds=60, what="the store to be steady")
    await reap(reaper, ROW_KINDS)


async def leave_behind(bench: VolumeBench, run_id: str, outcomes: Sequence[str]) -> str:
    """Leave the run's first story as its last worker's death does, after calls with these outcomes; return its id."""
    story = (await bench.stories(run_id))[0]
    long_ago = utc_now().replace(year=2020)
    held = {"status": "running", "worker_id": "wrk_dead", "attempt": len(outcomes), "lease_until": long_ago}
    async with bench.database.transaction() as session:
        await session.execute(update(Story).where(Story.id == story.id).values(held))
        for number, outcome in enumerate(outcomes, 1):
            session.add(
                Attempt(
                    id=ids.new_id(ids.ATTEMPT),
                    project_id=bench.project_id,
                    subject_id=story.id,
                    generation_id=run_id,
                    number=number,
                    worker_id="wrk_dead",
                    provider="upstream",
                    model=MODEL,
                    outcome=outcome,
                    started_at=long_ago,
                )
            )
    await bench.set_columns(run_id, status="running", running=1)
    return story.id


async def test_a_story_whose_workers_all_die_fails_with_its_calls_booked_as_unknown(
    bench: VolumeBench, reaper: WorkerContext, upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(1)
    await leave_behind(bench, run_id, [*["unknown"] * (MOST_DEATHS - 1), "sent"])
    await reap_steadily(reaper)
    [story] = await bench.stories(run_id)
    assert (story.status, story.failure_class, story.worker_id) == ("failed", "internal_error", None)
    assert story.failure_message == say_worker_died(MOST_DEATHS)
    assert {attempt.outcome for attempt in await bench.attempts(run_id)} == {"unknown"}
    await work_generation(reaper, run_id)
    assert ((await bench.run(run_id)).status, upstream.calls) == ("failed", [])
    await bench.assert_counters_exact(run_id)


@pytest.mark.parametrize(
    "outcomes",
    [
        [*["unknown"] * (MOST_DEATHS - 2), "sent"],
        [*["unknown"] * (MOST_DEATHS - 1), "failed", "sent"],
        [*["unknown", "unknown", "failed"] * MOST_DEATHS, "sent"],
        [*["failed"] * 2 * MOST_DEATHS, "sent"],
    ],
    ids=["one less", "failures since", "failures in between", "hand-backs"],
)
async def test_a_story_that_was_killed_often_with_outcomes_in_between_is_told(
    bench: VolumeBench, reaper: WorkerContext, outcomes: list[str]
) -> None:
    run_id = await bench.add(1)
    await leave_behind(bench, run_id, outcomes)
    await reap_steadily(reaper)
    assert [story.status for story in await bench.stories(run_id)] == ["queued"]
    await bench.assert_counters_exact(run_id)


async def test_a_suspect_waits_for_a_moment_of_its_own_so_that_its_neighbours_live(
    bench: VolumeBench, reaper: WorkerContext, upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(3)
    story_id = await leave_behind(bench, run_id, [*["unknown"] * (2 * SUSPECT_DEATHS - 1), "sent"])
    await reap_steadily(reaper)
    [suspect] = [story for story in await bench.stories(run_id) if story.id == story_id]
    assert suspect.not_before is not None
    assert (suspect.not_before - utc_now()).total_seconds() <= 2 * SUSPECT_DEATHS
    await work_generation(reaper, run_id)
    assert {story.status for story in await bench.stories(run_id)} == {"succeeded"}


async def die_at_a_prompt(bench: VolumeBench, reaper: WorkerContext, run_id: str, number: int) -> None:
    """Have a worker die while it makes the prompt of the row with this number; what it held is in the queue again."""
    settings = reaper.settings
    stores = {"STORYMILL_DATABASE_URL": settings.database_url, "STORYMILL_REDIS_URL": settings.redis_url}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.dying_worker", run_id, str(number)),
        env={
            **os.environ,
            **stores,
            "STORYMILL_UPSTREAM_URL": str(settings.upstream_url),
            "STORYMILL_WORKER_LEASE_SECONDS": "0.5",
        },
        cwd=PROJECT_ROOT,
    )
    assert await process.wait() == -signal.SIGKILL

    async def is_reaped() -> bool:
        await reap_steadily(reaper)
        return all(story.status != "running" for story in await bench.stories(run_id))

    await eventually_async(is_reaped, timeout_seconds=60, what="the dead worker's rows to be queued again")


async def test_a_row_that_kills_its_worker_before_its_call_is_on_the_books_is_given_up_alone(
    bench: VolumeBench, reaper: WorkerContext, upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(6)
    deadly = next(story for story in await bench.stories(run_id) if story.attributes["number"] == 2)
    for _ in range(MOST_DEATHS_UNBOOKED - 1):
        await DeathCount(reaper.redis, "prompt", deadly.id).begin()
    await die_at_a_prompt(bench, reaper, run_id, 2)
    await work_generation(reaper, run_id, was_unheld=True)
    stories = {story.id: story for story in await bench.stories(run_id)}
    given_up = stories.pop(deadly.id)
    assert (given_up.status, given_up.failure_class) == ("failed", "internal_error")
    assert given_up.failure_message == say_worker_died(MOST_DEATHS_UNBOOKED)
    assert {story.status for story in stories.values()} == {"succeeded"}
    assert deadly.id not in {attempt.subject_id for attempt in await bench.attempts(run_id)}
    await bench.assert_counters_exact(run_id)


async def test_rows_beside_one_that_kills_are_not_counted_with_it(bench: VolumeBench, reaper: WorkerContext) -> None:
    run_id = await bench.add(6)
    await die_at_a_prompt(bench, reaper, run_id, 2)
    counted = [
        key.decode() if isinstance(key, bytes) else key async for key in reaper.redis.scan_iter("deaths:prompt:*")
    ]
    deadly = next(story for story in await bench.stories(run_id) if story.attributes["number"] == 2)
    assert counted == [f"deaths:prompt:{deadly.id}"]


async def test_the_reaper_says_of_a_run_that_nobody_held_it(bench: VolumeBench) -> None:
    run_id = await bench.add(1)
    async with bench.database.transaction() as session:
        assert await GENERATION_ROWS.requeue(session, 0) == [WorkGeneration(run_id, was_unheld=True)]


async def test_a_run_that_cannot_be_loaded_is_paused_and_says_why(
    bench: VolumeBench, reaper: WorkerContext, upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(1)
    await bench.set_columns(run_id, parameters=["no object"])
    for _ in range(MOST_DEATHS):
        with pytest.raises(AttributeError):
            await work_generation(reaper, run_id)
    await work_generation(reaper, run_id)
    run = await bench.run(run_id)
    assert (run.status, run.status_reason) == ("paused", say_worker_died(MOST_DEATHS, "AttributeError"))
    await bench.set_columns(run_id, status="queued", status_reason=None, parameters={})
    await work_generation(reaper, run_id)
    assert ((await bench.run(run_id)).status, len(upstream.calls)) == ("succeeded", 1)
