"""A story that takes its workers with it, one after the other: it ends, and is not paid for without end."""

from collections.abc import AsyncIterator, Sequence

import pytest
from sqlalchemy import update

from services.workers.generation.work_task import work_generation
from services.workers.job_table import ROW_KINDS
from services.workers.leases.deaths import MOST_DEATHS, SUSPECT_DEATHS, say_worker_died
from services.workers.maintenance.reap_task import reap
from services.workers.maintenance.store_watch import StoreWatch
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared import ids
from shared.clock import utc_now
from shared.settings import Settings
from shared.stores.db.models import Attempt, Story
from tests.support.stack import eventually
from tests.support.upstream import MODEL, ScriptedUpstream
from tests.support.volume import VolumeBench


@pytest.fixture
async def reaper(database_url: str, redis_url: str, upstream: ScriptedUpstream) -> AsyncIterator[WorkerContext]:
    """A worker that may reap."""
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    opened = await open_context(Settings.model_validate(values), WorkerSettings(lease_seconds=0.5))
    watch = await opened.part(StoreWatch)
    await eventually(lambda: watch.is_steady, what="the store to be steady")
    yield opened
    await opened.close()


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
    await reap(reaper, ROW_KINDS)
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
    await reap(reaper, ROW_KINDS)
    assert [story.status for story in await bench.stories(run_id)] == ["queued"]
    await bench.assert_counters_exact(run_id)


async def test_a_suspect_waits_for_a_moment_of_its_own_so_that_its_neighbours_live(
    bench: VolumeBench, reaper: WorkerContext, upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(3)
    story_id = await leave_behind(bench, run_id, [*["unknown"] * (2 * SUSPECT_DEATHS - 1), "sent"])
    await reap(reaper, ROW_KINDS)
    [suspect] = [story for story in await bench.stories(run_id) if story.id == story_id]
    assert suspect.not_before is not None
    assert (suspect.not_before - utc_now()).total_seconds() <= 2 * SUSPECT_DEATHS
    await work_generation(reaper, run_id)
    assert {story.status for story in await bench.stories(run_id)} == {"succeeded"}
