"""Step `create`: one job at the provider, whatever crashes. The intent is committed first; who comes after a crash
looks for the job before making one, and cancels doubles. See ADR 60."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.fine_tuning.create.made_jobs import cancel_one, find_made
from services.workers.fine_tuning.create.order import make_order
from services.workers.fine_tuning.follow.progress import enter_status
from services.workers.fine_tuning.held_job import HeldJob
from services.workers.fine_tuning.upload.step import carry_out_here
from services.workers.fine_tuning.upstream.provider import UpstreamJob
from services.workers.leases.row_kind import LostRowError
from shared.contracts.statuses import FINE_TUNING_JOB
from shared.observability.logs import get_logger
from shared.outside.providers.failures import LlmError
from shared.stores.db.models import FineTuningJob
from shared.stores.db.repositories.fine_tuning_events import NewEvent, append_events
from shared.stores.db.repositories.fine_tuning_jobs import count_waiting_before, find_progress
from shared.stores.db.repositories.fine_tuning_steps import enter_step
from shared.stores.db.repositories.training_books import find_training_start, open_training_attempt

WITHDRAW_AFTER_SECONDS: Final = (0.0, 0.5, 1.0, 2.0, 4.0)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Intent:
    """A job that is about to be made, or may have been."""

    job: FineTuningJob
    is_first: bool
    """Nobody has tried before."""


async def create_upstream(held: HeldJob) -> None:
    """Have the provider make the job, or find the one that was made before a crash, and go on to `follow`; a job that
    is to be cancelled or paused, and was not made, is so here.

    Raises: LlmError when the provider cannot list, make or cancel; LostRowError when the job is lost before the order,
    or a write finds it lost: what was made is then cancelled, unless the new owner has it or may find it."""
    intent = await record_intent(held)
    found = [] if intent.is_first else await find_made(held, intent.job)
    if not found and intent.job.wanted is not None and await carry_out_here(held):
        return
    await held.confirm()
    upstream = found[0] if found else await held.provider.create_job(make_order(held, intent.job))
    if not intent.is_first:
        doubles = found[1:] if found else [job for job in await find_made(held, intent.job) if job.id != upstream.id]
        await cancel_doubles(held, doubles)
    try:
        await record_created(held, upstream)
    except LostRowError:
        await withdraw(held, upstream)
        raise


async def record_intent(held: HeldJob) -> Intent:
    """Put the training on the books before it is asked for."""
    async with held.writing() as (session, job):
        is_first = await find_training_start(session, job.id) is None
        await open_training_attempt(session, job, held.context.worker_id)
        return Intent(job, is_first)


async def cancel_doubles(held: HeldJob, doubles: list[UpstreamJob]) -> None:
    """Cancel what a worker made that was thought dead."""
    for double in doubles:
        if double.status in FINE_TUNING_JOB.open:
            await cancel_one(held, double.id)


async def withdraw(held: HeldJob, upstream: UpstreamJob) -> None:
    """We made a job and then were not the owner any more: unless the owner took it, or may still find it, cancel it.
    The job's row is not ours, so only so many tries are made here."""
    async with held.context.database.transaction() as session:
        step, kept = await find_progress(session, held.id)
    if kept == upstream.id or (kept is None and step == "create"):
        return
    for seconds in WITHDRAW_AFTER_SECONDS:
        await asyncio.sleep(seconds)
        with suppress(LlmError):
            await cancel_one(held, upstream.id)
            return
    await cancel_one(held, upstream.id)


async def record_created(held: HeldJob, upstream: UpstreamJob) -> None:
    """The provider has the job: go on to follow it."""
    async with held.writing() as (session, job):
        await enter_step(session, job, "follow", upstream_job_id=upstream.id)
        await append_events(session, job.id, [await describe_queue(session, job)])
        if upstream.status in FINE_TUNING_JOB.open:
            await enter_status(session, job, upstream.status)
    log.info("fine_tuning_job_created", job=held.id, upstream=upstream.id)


async def describe_queue(session: AsyncSession, job: FineTuningJob) -> NewEvent:
    """Return the event that tells the place in the queue."""
    number = await count_waiting_before(session, job)
    message = f"Job enqueued at {job.provider}. Queue number: {number}"
    return NewEvent(message, data={"code": "enqueued", "queue_number": number})
