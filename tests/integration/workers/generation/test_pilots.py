"""A run's pilot: its rows alone are written, whoever is killed meanwhile; then the run pauses."""

import pytest

from services.workers.generation.work_task import work_generation
from services.workers.process.context import WorkerContext
from tests.integration.workers.generation.conftest import MakeWorker
from tests.support.interactive import eventually_async
from tests.support.reaper_round import reaping
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream_script import Script, bad_request
from tests.support.volume import VolumeBench


async def test_a_pilot_is_spread_over_the_run_and_pauses_it(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(30, pilot=4)
    await work_generation(context, run_id)
    run = await bench.run(run_id)
    assert (run.status, run.status_reason, run.succeeded, len(upstream.calls)) == ("paused", "pilot", 4, 4)
    written = [story.position for story in await bench.stories(run_id) if story.status == "succeeded"]
    assert written == [0, 7, 15, 22]
    await bench.set_columns(run_id, status="queued", status_reason=None)
    await work_generation(context, run_id)
    assert ((await bench.run(run_id)).status, len(upstream.calls)) == ("succeeded", 30)
    await bench.assert_counters_exact(run_id)


async def test_stories_that_fail_end_the_pilot_too(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.choose = lambda call: bad_request("this prompt is too long") if call.number == 2 else None
    run_id = await bench.add(30, pilot=3)
    await work_generation(context, run_id)
    run = await bench.run(run_id)
    assert (run.status_reason, run.succeeded, run.failed) == ("pilot", 2, 1)


@pytest.mark.slow
async def test_a_pilot_outlives_its_worker_and_makes_no_call_beyond(
    bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(delay_seconds=0.3)
    async with reaping(bench.sender), make_worker("first") as first, make_worker("second"):
        run_id = await bench.submit(600, pilot=100)

        async def is_under_way() -> bool:
            return await bench.count_stories(run_id, "succeeded") > 15

        await eventually_async(is_under_way, timeout_seconds=60, what="the pilot to be under way")
        first.kill()

        async def is_paused() -> bool:
            return (await bench.run(run_id)).status == "paused"

        await eventually_async(is_paused, timeout_seconds=90, what="the pilot to end")
        run = await bench.run(run_id)
        assert (run.status_reason, run.succeeded, run.running) == ("pilot", 100, 0)
        attempts = await bench.wait_until_attempts_settled(run_id)
        unknown = sum(one.outcome == "unknown" for one in attempts)
        assert 100 <= len(upstream.calls) <= 100 + unknown
        await bench.set_columns(run_id, status="queued", status_reason=None)
        await bench.send(run_id)
        assert (await bench.wait_until_over(run_id)).succeeded == 600
    await bench.assert_counters_exact(run_id)
