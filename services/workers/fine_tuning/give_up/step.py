"""Step `give_up`: the training of a job that failed here is cancelled at its provider, or followed to its end where
that cannot cancel; then its cost is booked and the job fails. Done again from its start after a crash."""

from dataclasses import dataclass
from typing import Final

from services.workers.fine_tuning.create.made_jobs import cancel_one, find_made
from services.workers.fine_tuning.failures import WORKER_LOST, NotYetError, is_gone
from services.workers.fine_tuning.follow.pace import Pace
from services.workers.fine_tuning.give_up.failing import end_given_up, name_training
from services.workers.fine_tuning.held_job import HeldJob
from services.workers.fine_tuning.upstream.provider import UpstreamJob
from shared.clock import utc_now
from shared.contracts.statuses import FINE_TUNING_JOB
from shared.outside.prices.training import training_cost
from shared.outside.providers.failures import FailureClass, LlmError
from shared.stores.db.models import FineTuningJob
from shared.stores.db.repositories.fine_tuning_claims import forget_failures
from shared.stores.db.repositories.fine_tuning_steps import write_columns

NOT_STARTED: Final = frozenset(FINE_TUNING_JOB.workable) - {"running"}
UNCERTAIN: Final = frozenset({"timeout", "cut_connection", "server_error", "malformed", "internal_error", WORKER_LOST})
"""Failures after which a job may have been made, or may still be."""
NO_LISTING: Final = frozenset({FailureClass.NOT_FOUND, FailureClass.INVALID_REQUEST})


@dataclass(frozen=True, slots=True)
class Stopped:
    """A training that is over at its provider."""

    last: UpstreamJob
    never_ran: bool
    """It was seen waiting, and then cancelled."""


async def give_up(held: HeldJob) -> None:
    """Do the step. Raises: NotYetError and LlmError, after which it is tried again; LostRowError when another has
    the job or it is over."""
    job = await held.load()
    try:
        if job.upstream_job_id is not None:
            await settle_known(held, job.upstream_job_id)
        else:
            await settle_unknown(held, job)
    except LlmError as error:
        if error.failure_class.retryable:
            raise
        raise NotYetError("cancel_refused", error.message) from error


async def settle_known(held: HeldJob, upstream_id: str) -> None:
    """Stop the job's training and end the job."""
    stopped = await stop_training(held, upstream_id)
    async with held.writing() as (session, job):
        if stopped is None:
            fate = f"The provider does not know {name_training(job)} any more: what it cost is not known"
            await end_given_up(session, job, held.context.worker_id, fate, cost_is_known=False)
            return
        told = [count for count in (stopped.last.trained_tokens, job.trained_tokens) if count is not None]
        await write_columns(session, job, trained_tokens=max(told) if told else None)
        known = is_cost_known(job, stopped)
        await end_given_up(session, job, held.context.worker_id, describe_fate(job, stopped), cost_is_known=known)


async def settle_unknown(held: HeldJob, job: FineTuningJob) -> None:
    """Nobody knows whether the job was made: look for it. What is found is noted and stopped the next time; a second
    one is cancelled now."""
    try:
        found = await find_made(held, job)
    except LlmError as error:
        if error.failure_class not in NO_LISTING:
            raise
        found = []
    for double in found[1:]:
        if double.status in FINE_TUNING_JOB.open:
            await cancel_one(held, double.id)
    async with held.writing() as (session, row):
        if found:
            await write_columns(session, row, upstream_job_id=found[0].id)
            return
        code = str((row.error or {}).get("code"))
        fate = f"No training of this job was found at {row.provider}"
        await end_given_up(session, row, held.context.worker_id, fate, cost_is_known=code not in UNCERTAIN)


async def stop_training(held: HeldJob, upstream_id: str) -> Stopped | None:
    """Cancel a training, and look until it is over, however long that takes where it cannot be cancelled; None when its
    provider does not know it. Raises: LlmError when the provider cannot tell how it is, or cannot cancel just now."""
    pace, waited, has_run = Pace(held.provider.capabilities), False, False
    while True:
        seen = await look_and_cancel(held, upstream_id)
        if seen is None:
            return None
        if seen.status not in FINE_TUNING_JOB.open:
            return Stopped(seen, never_ran=waited and not has_run and seen.status == "cancelled")
        waited, has_run = True, has_run or seen.status not in NOT_STARTED
        async with held.context.database.transaction() as session:
            await forget_failures(session, held.claimed)
        pace.note(seen.status, is_quiet=True)
        await held.wait(pace.seconds)


async def look_and_cancel(held: HeldJob, upstream_id: str) -> UpstreamJob | None:
    """Return a training as it is, and have it cancelled if it is open; None when its provider does not know it."""
    try:
        seen = await held.provider.get_job(upstream_id)
    except Exception as error:
        if isinstance(error, LlmError) and is_gone(error):
            return None
        # That the answer cannot be read may be why the job is given up.
        await cancel_one(held, upstream_id)
        raise
    if seen.status in FINE_TUNING_JOB.open:
        await cancel_one(held, upstream_id)
    return seen


def is_cost_known(job: FineTuningJob, stopped: Stopped) -> bool:
    """Say whether what the training cost can be told: it never ran, or all that its price goes by is known."""
    if stopped.never_ran and job.started_at is None and not stopped.last.trained_tokens:
        return True
    seconds = (utc_now() - job.started_at).total_seconds() if job.started_at else None
    return job.estimate is not None and training_cost(job.estimate, stopped.last.trained_tokens, seconds) is not None


def describe_fate(job: FineTuningJob, stopped: Stopped) -> str:
    """Return what became of the training, in a sentence."""
    last = stopped.last
    if last.status == "succeeded":
        model = f"; its model {last.fine_tuned_model} stays there" if last.fine_tuned_model else ""
        return f"The training {last.id} had succeeded at {job.provider}{model}"
    return f"The training {last.id} at {job.provider} is {last.status}"
