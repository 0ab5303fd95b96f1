"""Claims that are overtaken: by a pause or a cancel, by the end of their calls, by a defect."""

import asyncio
from decimal import Decimal

import pytest

from services.workers.generation import slice as slice_module
from services.workers.generation.caution import Caution
from services.workers.generation.claim import Emptiness, claim_batch
from services.workers.generation.desk import GenerationDesk
from services.workers.generation.slice import GenerationSlice
from services.workers.generation.story_call import StoryCall
from services.workers.generation.work_task import load_run, take_hold, work_generation
from services.workers.leases.deaths import MOST_DEATHS, say_worker_died
from services.workers.leases.row_kind import Lease, begin_lease
from services.workers.process.context import WorkerContext
from tests.support.upstream import ScriptedUpstream
from tests.support.volume import VolumeBench

NO_PROMPT = "{{ dynasty }}{{ king }}"
"""No row has a king."""


@pytest.mark.parametrize("status", ["paused", "cancelled"])
async def test_rows_without_a_prompt_do_not_wake_a_run_that_makes_no_calls(
    bench: VolumeBench, context: WorkerContext, status: str
) -> None:
    run_id = await bench.add(6, template=NO_PROMPT)
    run = await load_run(context, run_id)
    assert run is not None
    await bench.set_status(run_id, status)
    plan = Caution(context.redis).plan
    state = await take_hold(context, run_id)
    assert state is not None
    claim = await claim_batch(context.database, run, begin_lease(context), 4, plan, state)

    assert (claim.empty_because, claim.unsendable) == (Emptiness.RUN_NOT_ACTIVE, [])
    now = await bench.run(run_id)
    assert (now.status, now.failed) == (status, 0)
    assert await bench.count_stories(run_id, "queued") == 6


async def test_rows_without_a_prompt_fail_in_a_run_that_makes_calls(bench: VolumeBench, context: WorkerContext) -> None:
    run_id = await bench.add(6, template=NO_PROMPT)
    await work_generation(context, run_id)

    assert ((await bench.run(run_id)).status, await bench.count_stories(run_id, "failed")) == ("failed", 6)
    await bench.assert_counters_exact(run_id)


async def test_a_call_that_is_given_up_before_its_first_step_goes_back_to_the_queue_and_costs_nothing(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_call = GenerationSlice._start_call
    given_up: list[str] = []

    def start_and_give_up(work: GenerationSlice, call: StoryCall, lease: Lease) -> None:
        start_call(work, call, lease)
        if not given_up:
            given_up.append(call.attempt_id)
            work.cancel_calls()

    monkeypatch.setattr(GenerationSlice, "_start_call", start_and_give_up)
    run_id = await bench.add(6)
    async with asyncio.timeout(15):
        await work_generation(context, run_id)

    assert ((await bench.run(run_id)).status, len(upstream.calls)) == ("succeeded", 6)
    [lost] = [attempt for attempt in await bench.attempts(run_id) if attempt.id in given_up]
    assert (lost.outcome, lost.failure_class, lost.spent_usd) == ("failed", "cancelled", Decimal(0))
    run = await load_run(context, run_id)
    assert run is not None
    slots = (await context.part(GenerationDesk)).find_slots(run.target.provider)
    assert (slots.in_flight, slots.unsettled) == (0, 0)
    await bench.assert_counters_exact(run_id)


async def test_a_defect_in_claiming_is_told_by_its_own_name(
    bench: VolumeBench, context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_args: object, **_options: object) -> None:
        raise KeyError("no such column")

    monkeypatch.setattr(slice_module, "claim_batch", fail)
    run_id = await bench.add(6)
    for _ in range(MOST_DEATHS):
        with pytest.raises(KeyError):
            await work_generation(context, run_id)
    await work_generation(context, run_id)
    assert (await bench.run(run_id)).status_reason == say_worker_died(MOST_DEATHS, "KeyError")
