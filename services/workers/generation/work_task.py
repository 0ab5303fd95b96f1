"""The body of `WorkGeneration`: one slice on a run, then the run's end or the next message."""

from services.workers.generation.desk import GenerationDesk
from services.workers.generation.first_calls import FirstCalls
from services.workers.generation.lease import GENERATION_ROWS
from services.workers.generation.pausing import Pause, pause_run
from services.workers.generation.run import Run, prepare_run
from services.workers.generation.run_gate import RunGate
from services.workers.generation.slice import GenerationSlice
from services.workers.leases.death_count import DeathCount
from services.workers.leases.deaths import MOST_DEATHS, say_worker_died
from services.workers.leases.row_kind import begin_lease
from services.workers.leases.working import work_while_held
from services.workers.process.context import WorkerContext
from shared.contracts.queue.messages import DeliverOutbox, RunBatch, WorkGeneration
from shared.contracts.recipes.errors import TemplateError
from shared.observability.logs import get_logger
from shared.outside.providers.template_contract import read_contract
from shared.stores.db.repositories.generation_progress import (
    RunState,
    WorkOrder,
    find_work_order,
    finish_generation,
    hold_generation,
    pause_generation,
)
from shared.stores.db.repositories.pilots import end_pilot
from shared.stores.db.repositories.registry import find_model
from shared.stores.db.repositories.story_claims import find_next_due_seconds

log = get_logger(__name__)


async def work_generation(context: WorkerContext, generation_id: str, was_unheld: bool = False) -> None:
    """Work on a run for a while. Harmless when the run is paused, over, unknown, or in work here already."""
    desk = await context.part(GenerationDesk)
    if not desk.enter(generation_id):
        return
    try:
        state = await work_counted_slice(context, desk, generation_id, was_unheld=was_unheld)
    finally:
        desk.leave(generation_id)
    if state is not None and await has_claimable_rows(context, generation_id, state):
        await context.sender.send(WorkGeneration(generation_id=generation_id))


async def work_counted_slice(
    context: WorkerContext, desk: GenerationDesk, generation_id: str, *, was_unheld: bool
) -> RunState | None:
    """Do one slice, unless too many in a row met a defect of ours, wherever in them: then the run is paused, and says
    why. Return how it stands afterwards, None when there is nothing to do with it."""
    deaths = DeathCount(context.redis, "slice", generation_id)
    await deaths.begin(counts=False)  # workers that die are counted by the stories that they held
    async with deaths.watching():
        if deaths.count < MOST_DEATHS:
            return await work_slice(context, desk, generation_id, was_unheld=was_unheld)
        await pause_run(context, generation_id, Pause(say_worker_died(deaths.count, deaths.defect)))
        return None


async def work_slice(
    context: WorkerContext, desk: GenerationDesk, generation_id: str, *, was_unheld: bool
) -> RunState | None:
    """Do one slice; return how the run stands afterwards, None when there is nothing to do with it."""
    lease = begin_lease(context)
    state = await take_hold(context, generation_id)
    if state is None or not state.is_active:
        return None
    run = await load_run(context, generation_id)
    if run is None:
        return None
    health = await context.healths.find_for(run.target)
    trust = await desk.find_trust(generation_id, state, health, rows_are_alike=run.rows_are_alike)
    is_fresh = state.status == "queued"
    first_calls = FirstCalls(context.redis, context.worker_id, generation_id, trust, is_fresh=is_fresh)
    gate = RunGate(health, trust, first_calls, context.worker_settings)
    work = GenerationSlice(context, desk, run, state, gate)
    if was_unheld:  # in front of a row that kills there may lie all that the last worker had in flight
        work.caution.begin(2 * work.slots.most)
    try:
        await work_while_held(context, GENERATION_ROWS, work, lease, lambda _hold: work.work())
    finally:
        await run.close()
        await first_calls.end()
    after = await finish_or_look(context, run.order)
    if after is None or not after.is_active:
        desk.forget_trust(generation_id)
    return after


async def has_claimable_rows(context: WorkerContext, generation_id: str, state: RunState) -> bool:
    """Whether a next slice would find something. While a run is at its pilot, most of its rows are not to be
    claimed."""
    if not (state.is_active and state.open > state.running):
        return False
    if not state.is_pilot:
        return True
    async with context.database.transaction() as session:
        return await find_next_due_seconds(session, generation_id, of_pilot=True) is not None


async def load_run(context: WorkerContext, generation_id: str) -> Run | None:
    """Return what the calls have in common; None, with the run paused, when no provider serves its model."""
    async with context.database.transaction() as session:
        order = await find_work_order(session, generation_id)
        model = await find_model(session, order.project_id, order.model) if order else None
    if order is None:
        return None
    target = await context.catalog.find_target(order.model)
    try:
        if target is not None:
            return prepare_run(order, target, read_contract(model.template) if model else None)
        reason = f"no provider serves the model {order.model!r}"
    except TemplateError as error:
        reason = error.message
    async with context.database.transaction() as session:
        await pause_generation(session, generation_id, reason)
    log.warning("generation_paused", generation=generation_id, reason=reason)
    return None


async def take_hold(context: WorkerContext, generation_id: str) -> RunState | None:
    """Say that the run is held; return how it stands."""
    async with context.database.transaction() as session:
        return await hold_generation(session, generation_id, None)


async def finish_or_look(context: WorkerContext, order: WorkOrder) -> RunState | None:
    """End the run if all rows are done, or pause it if those of its pilot are; return how it stands. The batch of one
    that makes no more calls may be ready to be finished."""
    async with context.database.transaction() as session:
        status = await finish_generation(session, order.id)
        await end_pilot(session, order.id)
        state = await hold_generation(session, order.id, None)
    if status is not None:
        await context.sender.send(DeliverOutbox(untried_only=True))
        log.info("generation_finished", generation=order.id, status=status)
    if order.batch_id is not None and state is not None and not state.is_active:
        await context.sender.send(RunBatch(order.batch_id))
    return state
