"""Pause, resume, cancel and limits of a run that is under way, on a real worker process."""

import time

from tests.integration.workers.generation.conftest import MakeWorker
from tests.support.interactive import eventually_async
from tests.support.reaper_round import reaping
from tests.support.stack import eventually
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream_script import FIRST_ANSWERS, Script
from tests.support.volume import VolumeBench

SEEN_SECONDS = 1.0


async def wait_until_quiet(upstream: ScriptedUpstream, bench: VolumeBench, run_id: str) -> None:
    """Wait until no call is under way and no row is owned."""

    async def quiet() -> bool:
        return not any(call.in_flight for call in upstream.calls) and (await bench.run(run_id)).running == 0

    await eventually_async(quiet, what="the run to fall silent")


async def test_a_paused_run_makes_no_new_call_and_goes_on_when_resumed(
    bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(delay_seconds=0.1)
    async with make_worker():
        run_id = await bench.submit(1_200)
        await eventually(lambda: len(upstream.calls) > 100, what="the run to be under way")
        await bench.set_status(run_id, "paused")
        paused_at = time.monotonic()
        await wait_until_quiet(upstream, bench, run_id)
        assert max(call.started_at for call in upstream.calls) <= paused_at + SEEN_SECONDS
        run = await bench.run(run_id)
        assert 0 < run.succeeded < 1_200
        assert run.succeeded == len(upstream.calls)  # what was under way was kept

        await bench.set_status(run_id, "running")
        await bench.send(run_id)
        assert (await bench.wait_until_over(run_id)).succeeded == 1_200
    assert len(upstream.calls) == 1_200
    await bench.assert_counters_exact(run_id)


async def test_a_cancelled_run_gives_its_calls_up_within_a_second_and_closes_its_rows(
    bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(delay_seconds=30)
    upstream.queue(*FIRST_ANSWERS)
    async with make_worker(), reaping(bench.sender):
        run_id = await bench.submit(100 + len(FIRST_ANSWERS))
        await eventually(lambda: len(upstream.calls) >= 16 + len(FIRST_ANSWERS), what="the run to be under way")
        await bench.set_status(run_id, "cancelled")
        cancelled_at = time.monotonic()
        await wait_until_quiet(upstream, bench, run_id)
        assert all((call.closed_by_client_at or 0) <= cancelled_at + SEEN_SECONDS for call in upstream.calls)

        async def closed() -> bool:
            return await bench.count_stories(run_id, "cancelled") == 100

        await eventually_async(closed, what="the rows to be closed")
    await bench.assert_counters_exact(run_id)
    assert {attempt.failure_class for attempt in await bench.attempts(run_id)} == {None, "cancelled"}


async def test_a_runs_request_limit_is_kept_shown_and_can_be_lifted(
    bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream
) -> None:
    async with make_worker():
        run_id = await bench.submit(400, requests_per_minute=600)
        await eventually(lambda: len(upstream.calls) >= 30, what="some calls")
        started = [call.started_at for call in upstream.calls]
        assert len(started) / (started[-1] - started[0]) < 13

        async def shown() -> bool:
            return (await bench.run(run_id)).limited_by == "requests_per_minute"

        await eventually_async(shown, what="the limit to be named")
        await bench.set_columns(run_id, requests_per_minute=None)
        assert (await bench.wait_until_over(run_id, timeout_seconds=20)).succeeded == 400
    assert (await bench.run(run_id)).limited_by is None


async def test_a_provider_that_refuses_gets_fewer_calls_and_the_run_still_ends(
    bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream
) -> None:
    crowd = 24

    def refuse_crowds(_call: object) -> Script | None:
        if sum(call.in_flight for call in upstream.calls[-400:]) <= crowd:
            return None
        error = {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}
        return Script(status=429, error=error, headers={"retry-after-ms": "50"})

    upstream.default = Script(delay_seconds=0.05)
    upstream.choose = refuse_crowds
    async with make_worker():
        run_id = await bench.submit(900)
        run = await bench.wait_until_over(run_id, timeout_seconds=120)
    assert run.succeeded == 900
    refused = sum(call.status == 429 for call in upstream.calls)
    assert refused < len(upstream.calls) / 3
    await bench.assert_counters_exact(run_id)
