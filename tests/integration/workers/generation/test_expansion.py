"""The rows of a large run whose expanding worker stops or dies: another goes on with them."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from services.workers.generation.expand_task import expand_generation, find_source, insert_chunk
from services.workers.generation.work_task import work_generation
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.contracts.queue.messages import GENERATION, ExpandGeneration
from shared.settings import Settings
from shared.stores.db.repositories.generation_progress import find_work_order
from tests.support.interactive import eventually_async
from tests.support.upstream import ScriptedUpstream
from tests.support.volume import VolumeBench


@pytest.fixture
async def quick(database_url: str, redis_url: str, upstream: ScriptedUpstream) -> AsyncIterator[WorkerContext]:
    """A worker that soon takes a silent one to be dead."""
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    opened = await open_context(Settings.model_validate(values), WorkerSettings(lease_seconds=0.5))
    yield opened
    await opened.close()


async def add_half_expanded(bench: VolumeBench, context: WorkerContext, rows: int, upto: int) -> str:
    """Insert a run whose expanding worker came as far as `upto`; return its id."""
    run_id = await bench.add(rows, expanded=False)
    async with context.database.transaction() as session:
        order = await find_work_order(session, run_id)
    assert order is not None
    assert await insert_chunk(context, order, find_source(order), 0, upto)
    return run_id


async def count_messages(context: WorkerContext) -> int:
    """Return how many messages ask for an expansion."""
    waiting = await context.redis.lrange(GENERATION, 0, -1)
    return sum(json.loads(message)["headers"]["task"] == ExpandGeneration.task for message in waiting)


async def test_an_expansion_that_ends_early_because_its_worker_stops_is_asked_for_again(
    bench: VolumeBench, context: WorkerContext
) -> None:
    run_id = await add_half_expanded(bench, context, 30, 10)
    context.stopping.set()
    await expand_generation(context, run_id)

    assert (await bench.run(run_id)).expanded == 10
    assert await count_messages(context) == 1


async def test_an_expansion_that_is_over_is_not_asked_for_again(bench: VolumeBench, context: WorkerContext) -> None:
    run_id = await add_half_expanded(bench, context, 30, 10)
    await expand_generation(context, run_id)
    context.stopping.set()
    await expand_generation(context, run_id)

    assert (await bench.run(run_id)).expanded == 30
    assert await count_messages(context) == 0


async def test_a_slice_asks_for_the_expansion_that_died_and_the_run_ends(
    bench: VolumeBench, quick: WorkerContext
) -> None:
    run_id = await add_half_expanded(bench, quick, 30, 10)
    working = asyncio.create_task(work_generation(quick, run_id))

    async def asked() -> bool:
        return await count_messages(quick) > 0

    await eventually_async(asked, timeout_seconds=15, what="the expansion to be asked for")
    assert (await bench.run(run_id)).succeeded == 10
    await expand_generation(quick, run_id)
    await working
    run = await bench.run(run_id)
    assert (run.status, run.succeeded, run.expanded) == ("succeeded", 30, 30)


async def test_two_expansions_at_once_make_each_row_once(bench: VolumeBench, context: WorkerContext) -> None:
    run_id = await add_half_expanded(bench, context, 6_500, 500)
    await asyncio.gather(*(expand_generation(context, run_id) for _ in range(3)))

    assert (await bench.run(run_id)).expanded == 6_500
    assert [story.position for story in await bench.stories(run_id)] == list(range(6_500))
