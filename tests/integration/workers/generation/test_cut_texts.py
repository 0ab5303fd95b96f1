"""Texts that were cut at `max_tokens`: where the recipe says so they are asked for once more, longer; never twice
alike."""

from collections import Counter, defaultdict

import pytest

from services.workers.generation.work_task import work_generation
from services.workers.process.context import WorkerContext
from tests.integration.workers.generation.conftest import MakeWorker
from tests.support.interactive import eventually_async
from tests.support.reaper_round import reaping
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream_script import Script, prompt_of
from tests.support.volume import VolumeBench

SHORT, LONG = 10, 100
"""Tokens; a story of the scripted provider has some 30."""


def limits_by_prompt(upstream: ScriptedUpstream) -> dict[str, list[int]]:
    """The `max_tokens` that each prompt was asked with, in order."""
    asked: dict[str, list[int]] = defaultdict(list)
    for call in upstream.calls:
        asked[prompt_of(call.body)].append(call.body["max_tokens"])
    return asked


async def test_a_cut_text_is_kept_and_asked_for_once_more_with_more_tokens(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(6, parameters={"max_tokens": SHORT}, rules={"raise_max_tokens": LONG})
    await work_generation(context, run_id)
    run = await bench.run(run_id)
    assert (run.status, run.succeeded) == ("succeeded", 6)
    assert set(map(tuple, limits_by_prompt(upstream).values())) == {(SHORT, LONG)}
    assert {story.finish_reason for story in await bench.stories(run_id)} == {"stop"}
    outcomes = Counter((one.outcome, one.failure_class, one.rejected_because) for one in await bench.attempts(run_id))
    cut = f"cut at {SHORT} tokens; asked for once more with {LONG}"
    assert outcomes == {("failed", "truncated", cut): 6, ("succeeded", None, None): 6}
    kept = {len(one.rejected_text) for one in await bench.attempts(run_id) if one.rejected_text}
    assert kept == {2 * SHORT}
    assert run.completion_tokens > 6 * SHORT, "what was cut is paid for, too"
    await bench.assert_counters_exact(run_id)


async def test_a_text_that_is_cut_again_is_taken_as_it_is_and_not_asked_for_a_third_time(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(6, parameters={"max_tokens": SHORT}, rules={"raise_max_tokens": SHORT + 2})
    await work_generation(context, run_id)
    assert (await bench.run(run_id)).succeeded == 6
    assert {story.finish_reason for story in await bench.stories(run_id)} == {"length"}
    assert set(map(tuple, limits_by_prompt(upstream).values())) == {(SHORT, SHORT + 2)}


async def test_a_text_that_is_cut_again_and_must_not_be_is_rejected_at_once(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    rules = {"raise_max_tokens": SHORT + 2, "finish_reason": "stop", "tries": 5}
    run_id = await bench.add(6, parameters={"max_tokens": SHORT}, rules=rules)
    await work_generation(context, run_id)
    run = await bench.run(run_id)
    assert (run.status, run.succeeded, run.rejected) == ("succeeded", 0, 6)
    assert set(map(tuple, limits_by_prompt(upstream).values())) == {(SHORT, SHORT + 2)}


async def test_without_the_rule_a_cut_text_is_taken(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(6, parameters={"max_tokens": SHORT})
    await work_generation(context, run_id)
    assert ((await bench.run(run_id)).succeeded, len(upstream.calls)) == (6, 6)


@pytest.mark.slow
async def test_a_killed_worker_pays_for_no_cut_that_is_known_twice(
    bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(delay_seconds=0.15)
    async with reaping(bench.sender), make_worker("first") as first, make_worker("second"):
        run_id = await bench.submit(300, parameters={"max_tokens": SHORT}, rules={"raise_max_tokens": LONG})

        async def some_are_raised() -> bool:
            return await bench.count_stories(run_id, "succeeded") > 20

        await eventually_async(some_are_raised, timeout_seconds=60, what="the run to be under way")
        first.kill()
        run = await bench.wait_until_over(run_id, timeout_seconds=120)
        assert (run.status, run.succeeded) == ("succeeded", 300)
        attempts = await bench.wait_until_attempts_settled(run_id)
    assert Counter(one.subject_id for one in attempts if one.failure_class == "truncated").keys() == {
        story.id for story in await bench.stories(run_id)
    }
    unknown = sum(one.outcome == "unknown" for one in attempts)
    calls = limits_by_prompt(upstream)
    assert all(asked[-1] == LONG for asked in calls.values())
    assert sum(asked.count(SHORT) - 1 for asked in calls.values()) <= unknown
    assert len(upstream.calls) - 600 <= unknown
    await bench.assert_counters_exact(run_id)
