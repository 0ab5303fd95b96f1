"""How a run begins: alone where nobody knows its provider, at once where others were just answered; and what a refusal
costs either way."""

import time

import pytest

from services.workers.generation.run_trust import WARM_WINDOW
from services.workers.generation.work_task import work_generation
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.settings import Settings
from tests.support.interactive import eventually_async
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream_script import Script, bad_request
from tests.support.volume import VolumeBench

MOST_REFUSED = 20
NO_CREDIT = Script(status=402, error={"message": "Insufficient Balance"}, delay_seconds=0.05)
SLOW = Script(delay_seconds=0.3)


async def warm(bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream) -> None:
    """Have the provider answer another run."""
    await work_generation(context, await bench.add(3))
    upstream.calls.clear()
    upstream.most_in_flight = 0


async def test_a_run_with_a_provider_that_nobody_has_asked_begins_with_one_call(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.default = SLOW
    await work_generation(context, await bench.add(12))
    assert upstream.calls[1].started_at >= (upstream.calls[0].ended_at or time.monotonic())


async def test_a_run_whose_provider_has_just_answered_another_begins_at_once(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    await warm(bench, context, upstream)
    upstream.default = SLOW
    await work_generation(context, await bench.add(12))
    first = upstream.calls[0].ended_at or 0.0
    assert sum(call.started_at < first for call in upstream.calls) == 12


async def test_another_worker_hears_that_a_provider_answers(
    bench: VolumeBench,
    context: WorkerContext,
    upstream: ScriptedUpstream,
    database_url: str,
    redis_url: str,
) -> None:
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    other = await open_context(Settings.model_validate(values), WorkerSettings())
    try:
        health = await other.healths.find(other.providers.all[0])
        assert not await health.has_answered_lately()
        await warm(bench, context, upstream)
        await eventually_async(health.has_answered_lately, what="the other worker to hear of the answers")
    finally:
        await other.close()


@pytest.mark.parametrize("refusal", [bad_request("max_tokens is too large: 100"), NO_CREDIT])
async def test_a_refusal_costs_few_calls_although_others_were_just_answered(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream, refusal: Script
) -> None:
    await warm(bench, context, upstream)
    upstream.default = refusal
    run_id = await bench.add(200)
    await work_generation(context, run_id)

    run = await bench.run(run_id)
    assert (run.status, run.failed, run.running) == ("paused", 0, 0)
    assert WARM_WINDOW <= len(upstream.calls) <= MOST_REFUSED
    upstream.calls.clear()
    await bench.set_columns(run_id, status="queued", status_reason=None)
    await work_generation(context, run_id)
    assert len(upstream.calls) <= 3  # a resumed run asks alone


async def test_different_refusals_cost_few_calls_too(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    await warm(bench, context, upstream)
    upstream.choose = lambda call: Script(status=400, error={"message": "no", "code": f"code {call.number}"})
    run_id = await bench.add(200)
    await work_generation(context, run_id)
    assert (await bench.run(run_id)).status == "paused"
    assert len(upstream.calls) <= MOST_REFUSED
