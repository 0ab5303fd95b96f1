"""No two texts of a run are nearly the same, whichever workers write them and whoever is killed."""

import asyncio
import random

import numpy as np
import pytest
from sqlalchemy import text

from services.preparation.near_duplicates.index import group_near_duplicates
from services.workers.generation.near_texts import SignedText, refuse_near
from services.workers.generation.story_call import CallResult, StoryCall
from services.workers.generation.work_task import load_run, work_generation
from services.workers.process.context import WorkerContext
from shared.outside.providers.border.answers import LlmAnswer
from shared.stores.db.repositories.near_texts import (
    MOST_CANDIDATES,
    NewNearText,
    add_near_texts,
    find_candidates,
    lock_near_texts,
)
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


class Ticking:
    """Looks how long the loop stood still at most."""

    def __init__(self) -> None:
        self._longest = 0.0
        self._task = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            await asyncio.sleep(0.01)
            self._longest = max(self._longest, loop.time() - begun)

    def stop(self) -> float:
        """End it; return the seconds."""
        self._task.cancel()
        return self._longest


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


async def test_a_settlement_that_waits_for_another_holds_no_row(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.choose = Storyteller().tell
    run_id = await bench.add(6, rules=RULES, parameters={"max_tokens": 300})
    async with bench.database.transaction() as other:
        await lock_near_texts(other, run_id)
        working = asyncio.create_task(work_generation(context, run_id))

        async def is_waiting() -> bool:
            async with bench.database.transaction() as session:
                found = await session.scalar(
                    text("select count(*) from pg_locks where locktype = 'advisory' and not granted")
                )
            return bool(found)

        await eventually_async(is_waiting, timeout_seconds=20, what="a settlement to wait")
        rows = text("select count(*) from (select 1 from story where generation_id = :id for update skip locked) as r")
        free = await other.scalar(rows, {"id": run_id})
    await working
    assert free == 6, "a lease is renewed by an update of its row"
    assert (await bench.run(run_id)).succeeded == 6


async def test_a_story_is_known_by_its_last_text(bench: VolumeBench) -> None:
    run_id = await bench.add(1)
    [story] = await bench.stories(run_id)
    async with bench.database.transaction() as session:
        await lock_near_texts(session, run_id)
        for number in (1, 2):  # the first was of an answer that came too late
            await add_near_texts(session, run_id, [NewNearText(story.id, f"{number:02x}" * 256, [number])])
        assert await find_candidates(session, run_id, [1]) == []
        assert [one.signature for one in await find_candidates(session, run_id, [2])] == [b"\x02" * 256]


async def test_texts_that_are_all_much_alike_keep_the_loop_turning(bench: VolumeBench, context: WorkerContext) -> None:
    run_id = await bench.add(1, rules=RULES)
    run = await load_run(context, run_id)
    assert run is not None
    signatures = np.random.default_rng(5).integers(1, 60_000, (MOST_CANDIDATES, 128), np.uint16)
    known = [NewNearText(f"story_{n}", one.tobytes().hex(), [7]) for n, one in enumerate(signatures)]
    signed = {f"att_{n}": SignedText(~signatures[n], np.array([7])) for n in range(256)}
    results = [
        CallResult(StoryCall(f"new_{n}", 1, name, "写", None), LlmAnswer("文", "stop", 1, 2, "m", name, {}), None)
        for n, name in enumerate(signed)
    ]
    async with bench.database.transaction() as session:
        await add_near_texts(session, run_id, known)
    ticking = Ticking()
    async with bench.database.transaction() as session:
        await lock_near_texts(session, run_id)
        judged = await refuse_near(session, run, results, signed)
    assert ticking.stop() < 0.5
    assert [result.error for result in judged] == [None] * 256


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
