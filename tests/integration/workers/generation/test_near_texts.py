"""No two texts of a run are nearly the same, whichever workers write them and whoever is killed."""

import random

import pytest

from services.preparation.near_duplicates.index import group_near_duplicates
from services.workers.generation.work_task import work_generation
from services.workers.process.context import WorkerContext
from tests.integration.workers.generation.conftest import MakeWorker
from tests.support.interactive import eventually_async
from tests.support.reaper_round import reaping
from tests.support.upstream import Call, ScriptedUpstream
from tests.support.upstream_script import Script
from tests.support.volume import VolumeBench

RULES = {"near_distinct": True, "tries": 50}


class Storyteller:
    """Tells each story twice over, the second time with a few other characters."""

    def __init__(self, delay_seconds: float = 0.0) -> None:
        self._delay_seconds = delay_seconds

    def tell(self, call: Call) -> Script:
        """Answer a call."""
        chance = random.Random(call.number // 2)
        letters = [chr(chance.randrange(0x4E00, 0x9000)) for _ in range(150)]
        letters[10 + call.number % 100] = "改"
        return Script(text="".join(letters), delay_seconds=self._delay_seconds)


async def assert_all_differ(bench: VolumeBench, run_id: str) -> None:
    """No two of a run's stories are near, as the preparation of datasets sees it."""
    texts = [story.text or "" for story in await bench.stories(run_id) if story.status == "succeeded"]
    assert group_near_duplicates([texts], len(texts)).tolist() == list(range(len(texts)))


async def test_a_near_text_is_refused_by_the_name_of_the_story_that_it_is_like(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.choose = Storyteller().tell
    run_id = await bench.add(30, rules=RULES, parameters={"max_tokens": 300})
    await work_generation(context, run_id)
    run = await bench.run(run_id)
    assert (run.status, run.succeeded, run.rejected) == ("succeeded", 30, 0)
    await assert_all_differ(bench, run_id)
    texts = {story.id: story.text for story in await bench.stories(run_id)}
    refused = [one for one in await bench.attempts(run_id) if one.rejected_because]
    assert len(refused) == len(upstream.calls) - 30 > 10
    for one in refused:
        reason, _, like = (one.rejected_because or "").partition(" like ")
        assert reason.startswith("near_duplicate: ")
        assert one.rejected_text
        assert sum(a != b for a, b in zip(texts[like] or "", one.rejected_text, strict=True)) <= 2
    await bench.assert_counters_exact(run_id)


@pytest.mark.slow
async def test_the_index_is_shared_and_outlives_a_killed_worker(
    bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream
) -> None:
    upstream.choose = Storyteller(delay_seconds=0.1).tell
    async with reaping(bench.sender), make_worker("first") as first, make_worker("second"):
        run_id = await bench.submit(500, rules=RULES, parameters={"max_tokens": 300})

        async def is_under_way() -> bool:
            return await bench.count_stories(run_id, "succeeded") > 60

        await eventually_async(is_under_way, timeout_seconds=60, what="the run to be under way")
        first.kill()
        run = await bench.wait_until_over(run_id, timeout_seconds=120)
        assert (run.succeeded, run.rejected) == (500, 0)
        await bench.wait_until_attempts_settled(run_id)
    await assert_all_differ(bench, run_id)
    await bench.assert_counters_exact(run_id)
