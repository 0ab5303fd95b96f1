"""A job that failed here: it ends at once, or, where its provider may be training it, by way of the step `give_up`."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.fine_tuning.ending import JobFinish, end_job
from services.workers.fine_tuning.failures import (
    PROVIDER_UNKNOWN,
    WORKER_LOST,
    JobFailedError,
    NotYetError,
    decide_next_try,
)
from services.workers.fine_tuning.held_job import HeldJob, lock_job, put_off_job
from services.workers.process.context import WorkerContext
from shared.observability.logs import get_logger
from shared.stores.db.models import FineTuningJob
from shared.stores.db.repositories.fine_tuning_claims import ClaimedJob, hand_back_jobs
from shared.stores.db.repositories.fine_tuning_events import NewEvent, append_events
from shared.stores.db.repositories.fine_tuning_steps import enter_step
from shared.stores.db.repositories.training_books import find_training_start

GIVE_UP: Final = "give_up"
"""The step's name on the row."""
BETWEEN_CALLS: Final = frozenset({PROVIDER_UNKNOWN, WORKER_LOST})
"""Reasons to give up that say nothing about the call that makes the job: it may have left before."""

log = get_logger(__name__)


async def fail_job(held: HeldJob, error: JobFailedError) -> bool:
    """Fail the job, or have its training cancelled first; say whether there is more to do. What cannot be cancelled
    either ends here, booked as unknown. Raises: LostRowError when another has the job or it is over."""
    async with held.writing() as (session, job):
        if job.step == GIVE_UP:
            fate = f"It could not be cancelled ({error}): {name_training(job)} may go on, and cost. Look for it there"
            await end_given_up(session, job, held.context.worker_id, fate, cost_is_known=False)
            return False
        if await may_be_training(session, job, str(error.error["code"])):
            await begin_giving_up(session, job, error)
            return True
        await end_failed(session, job, held.context.worker_id, error)
    log.info("fine_tuning_job_failed", job=held.id, code=error.error["code"])
    return False


async def fail_without_provider(context: WorkerContext, claimed: ClaimedJob) -> None:
    """Fail a claimed job whose provider is not configured any more. One that is being trained there waits about two
    hours for the provider to be configured again, so that it can be cancelled; the reaper sends it meanwhile.

    Raises: LostRowError when another has the job or it is over."""
    async with context.database.transaction() as session:
        job = await lock_job(session, claimed)
        error = JobFailedError(PROVIDER_UNKNOWN, f"The provider '{job.provider}' is not configured any more.")
        if job.step != GIVE_UP and not await may_be_training(session, job, PROVIDER_UNKNOWN):
            await end_failed(session, job, context.worker_id, error)
            return
        if job.step != GIVE_UP:
            await begin_giving_up(session, job, error)
        next_try = decide_next_try(NotYetError(PROVIDER_UNKNOWN, str(error)), job.tries + 1)
        if next_try.delay_seconds is None:
            fate = f"It could not be cancelled ({error}): {name_training(job)} may go on, and cost. Look for it there"
            await end_given_up(session, job, context.worker_id, fate, cost_is_known=False)
            return
        await put_off_job(session, claimed, job.tries + 1, next_try.delay_seconds)
        await hand_back_jobs(session, [claimed])


async def may_be_training(session: AsyncSession, job: FineTuningJob, code: str) -> bool:
    """Say whether the provider may be at work for a job that failed with `code`: it has the job and has not ended it,
    or a call that makes the job may have reached it. A first call that was refused has made nothing."""
    if job.step == "create":
        is_asked = await find_training_start(session, job.id) is not None
        return is_asked and (job.tries > 0 or code in BETWEEN_CALLS)
    return job.step == "follow"


async def begin_giving_up(session: AsyncSession, job: FineTuningJob, error: JobFailedError) -> None:
    """Move a locked job on to the step `give_up`; its status stays until its training is over."""
    await enter_step(session, job, GIVE_UP, wanted=None, wanted_by=None, error=error.error)
    message = f"The job is given up ({error.error['code']}: {error}); its training at {job.provider} is cancelled"
    await append_events(session, job.id, [NewEvent(message, level="warn", data={"code": "given_up"})])
    log.warning("fine_tuning_job_given_up", job=job.id, code=error.error["code"], upstream=job.upstream_job_id)


async def end_failed(session: AsyncSession, job: FineTuningJob, worker_id: str, error: JobFailedError) -> None:
    """End a locked job as failed that nobody trains: what it cost is known. A model that was trained is named."""
    if job.upstream_model is not None and job.step in {"results", "register"}:
        message = f"The training was over before: its model {job.upstream_model} stays at {job.provider}"
        await append_events(session, job.id, [NewEvent(message, level="warn", data={"code": "model_left"})])
    by = "provider" if job.upstream_job_id else worker_id
    reason = f"{error.error['code']}: {error}"
    await end_job(session, job, JobFinish("failed", by, reason, error.error, error.details))


async def end_given_up(
    session: AsyncSession, job: FineTuningJob, worker_id: str, fate: str, *, cost_is_known: bool
) -> None:
    """End a locked job as failed for the reason that it was given up for; `fate` tells what became of its training."""
    error = job.error or {"code": "internal_error", "message": "The job was given up.", "param": None}
    await append_events(session, job.id, [NewEvent(fate, level="warn", data={"code": "training_given_up"})])
    reason = f"{error['code']}: {error['message']}"
    await end_job(session, job, JobFinish("failed", worker_id, reason, error, outcome_known=cost_is_known))
    log.warning("fine_tuning_job_failed", job=job.id, code=error["code"], fate=fate)


def name_training(job: FineTuningJob) -> str:
    """Return how a person finds the training at the provider."""
    named = f"the training {job.upstream_job_id}" if job.upstream_job_id else "a training"
    return f"{named} at {job.provider}"
