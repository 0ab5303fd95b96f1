"""The body of `ExpandGeneration`: insert the rows of a large run, chunk by chunk, from where an earlier try stopped."""

import asyncio
from typing import Final

from services.workers.generation.pausing import Pause, pause_run
from services.workers.leases.death_count import DeathCount
from services.workers.leases.deaths import MOST_DEATHS, say_worker_died
from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import keep_trying
from shared.contracts.queue.messages import ExpandGeneration, WorkGeneration
from shared.contracts.recipes.grid import read_grid
from shared.contracts.recipes.prompts import read_prompts
from shared.contracts.recipes.stories import StorySource, build_stories
from shared.stores.db.repositories.generation_progress import WorkOrder, find_work_order
from shared.stores.db.repositories.story_expansion import advance_expansion, find_expanded, insert_stories

CHUNK_ROWS: Final = 1_000
"""About 10 ms of the loop, which also carries other jobs' tokens."""


async def expand_generation(context: WorkerContext, generation_id: str) -> None:
    """Insert what is missing of a run's rows. Work on it begins with the first chunk. A run whose expansion takes its
    workers with it, or meets a defect of ours, time after time, is paused and says why."""
    deaths = DeathCount(context.redis, "expansion", generation_id)
    await deaths.begin()
    async with deaths.watching():
        if deaths.count < MOST_DEATHS:
            await expand(context, generation_id)
            return
        await pause_run(context, generation_id, Pause(say_worker_died(deaths.count, deaths.defect)))


async def expand(context: WorkerContext, generation_id: str) -> None:
    """Insert chunk by chunk, until all rows are there, or the worker stops: then another is asked to go on."""
    async with context.database.transaction() as session:
        order = await find_work_order(session, generation_id)
        expanded = await find_expanded(session, generation_id) if order else 0
    if order is None or expanded >= order.total:
        return
    source = find_source(order)
    is_announced = False
    while expanded < order.total and not context.stopping.is_set():
        upto = min(expanded + CHUNK_ROWS, order.total)
        if not await insert_chunk(context, order, source, expanded, upto):
            return
        expanded = upto
        if not is_announced:
            is_announced = await context.sender.send(WorkGeneration(generation_id=generation_id))
    if expanded < order.total:
        await context.sender.send(ExpandGeneration(generation_id))


async def insert_chunk(context: WorkerContext, order: WorkOrder, source: StorySource, start: int, stop: int) -> bool:
    """Insert positions start … stop−1; False when another worker is ahead, or the run is over."""
    stories = list(build_stories(source, start, stop))

    async def insert_once() -> bool:
        async with context.database.transaction() as session:
            await insert_stories(session, generation_id=order.id, project_id=order.project_id, stories=stories)
            return await advance_expansion(session, order.id, stop)

    inserted = await keep_trying(insert_once, what="expand a generation")
    await asyncio.sleep(0)
    return inserted


def find_source(order: WorkOrder) -> StorySource:
    """Return what the rows of a run are made from. Raises: RecipeError for a stored recipe that is none."""
    grid = read_grid(order.attributes, order.attribute_names, order.selection)
    prompts = read_prompts(order.template, order.pools)
    return StorySource(
        grid,
        order.template,
        prompts,
        order.format,
        order.repeats,
        order.model,
        order.parameters,
        order.layers or (),
    )
