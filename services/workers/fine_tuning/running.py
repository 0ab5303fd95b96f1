"""A job taken from step to step, with its failures: what the desk runs for each job that it holds."""

from collections.abc import Awaitable, Callable
from typing import Final

from services.workers.fine_tuning.bad_days import find_excused_delay
from services.workers.fine_tuning.create.step import create_upstream
from services.workers.fine_tuning.failures import LONGEST_DELAY_SECONDS, JobFailedError, decide_next_try
from services.workers.fine_tuning.follow.step import follow_upstream
from services.workers.fine_tuning.give_up.failing import GIVE_UP, fail_job
from services.workers.fine_tuning.give_up.step import give_up
from services.workers.fine_tuning.held_job import HeldJob
from services.workers.fine_tuning.register.step import register_result
from services.workers.fine_tuning.results.step import fetch_results
from services.workers.fine_tuning.upload.step import upload_files
from services.workers.leases.row_kind import LostRowError
from services.workers.process.store_patience import StuckStatementError
from shared.clock import utc_now
from shared.contracts.queue.messages import DeliverOutbox
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.models import FineTuningJob

STORE_PAUSE_SECONDS: Final = 0.5
STEPS: Final[dict[str, Callable[[HeldJob], Awaitable[None]]]] = {
    "upload": upload_files,
    "create": create_upstream,
    "follow": follow_upstream,
    "results": fetch_results,
    "register": register_result,
    GIVE_UP: give_up,
}

log = get_logger(__name__)


async def run_job(held: HeldJob) -> None:
    """Take a held job through its steps, until it is over, or paused before its provider knows of it. Raises:
    LostRowError when another has it."""
    while await run_step(held):
        pass
    await held.context.sender.send(DeliverOutbox(untried_only=True))


async def run_step(held: HeldJob) -> bool:
    """Do the job's present step; say whether there is more to do. Failures of the step are settled here.

    Raises: LostRowError when the job is lost."""
    try:
        job = await held.load()
        if job.status == "paused" and job.upstream_job_id is None and job.wanted is None:
            await held.leave()
            return False
        await wait_until_due(held, job)
        log.info("fine_tuning_step", job=job.id, step=job.step, attempt=job.attempt, tries=job.tries)
        await STEPS[job.step](held)
        await held.note_progress()
        held.timeouts.note()
        return not await is_over(held)
    except LostRowError:
        raise
    except STORE_AWAY as error:
        return await wait_for_store(held, error)
    except Exception as error:
        return await settle_failure(held, error)


async def wait_until_due(held: HeldJob, job: FineTuningJob) -> None:
    """Wait out the delay after a failure, or until something new is wanted: what failed then waits like the rest."""
    if job.not_before is not None:
        await held.wait(max(0.0, (job.not_before - utc_now()).total_seconds()))


async def is_over(held: HeldJob) -> bool:
    """Say whether the job has ended, by us; a job that is lost is over for us, too. Raises: store errors, when Postgres
    is away."""
    try:
        await held.load()
    except LostRowError:
        return True
    return False


async def settle_failure(held: HeldJob, error: Exception) -> bool:
    """Let the step wait and be tried again, or fail the job; say whether there is more to do. Whatever goes wrong
    here counts as a try, too: a job that cannot be ended is not tried for ever. Raises: LostRowError when another
    has the job or it is over."""
    try:
        return await wait_or_give_up(held, error)
    except LostRowError:
        raise
    except STORE_AWAY as store_error:
        return await wait_for_store(held, store_error)
    except Exception as defect:
        log.exception("fine_tuning_failure_not_settled", job=held.id)
        return await settle_defect(held, defect)


async def wait_or_give_up(held: HeldJob, error: Exception) -> bool:
    """Write what follows from a failure of the present step; say whether there is more to do."""
    if isinstance(error, JobFailedError):
        return await fail_job(held, error)
    job = await held.load()
    excused_delay = await find_excused_delay(held, job, error)
    if excused_delay is not None:
        log.info("fine_tuning_waits_for_its_provider", job=job.id, step=job.step, error=str(error))
        await held.put_off(job.tries, excused_delay)
        return True
    next_try = decide_next_try(error, job.tries + 1)
    unforeseen = next_try.code == "internal_error"
    log.warning("fine_tuning_step_failed", job=job.id, step=job.step, code=next_try.code, exc_info=unforeseen)
    if next_try.delay_seconds is None:
        return await fail_job(held, JobFailedError(next_try.code, next_try.message, param=next_try.param))
    await held.put_off(job.tries + 1, next_try.delay_seconds)
    return True


async def settle_defect(held: HeldJob, defect: Exception) -> bool:
    """Count a try for a failure that could not be settled, before anything else; after as many as defects get, end
    the job in words of our own. Raises: LostRowError when another has the job or it is over."""
    try:
        job = await held.load()
        next_try = decide_next_try(defect, job.tries + 1)
        await held.put_off(job.tries + 1, next_try.delay_seconds or LONGEST_DELAY_SECONDS)
        if next_try.delay_seconds is None:
            return await fail_job(held, JobFailedError(next_try.code, next_try.message))
    except STORE_AWAY as store_error:
        return await wait_for_store(held, store_error)
    return True


async def wait_for_store(held: HeldJob, error: Exception) -> bool:
    """Pause before the next try of a step whose store was away; there is more to do. A statement that runs into its
    time limit too often is a failure of the step."""
    log.warning("fine_tuning_store_away", job=held.id, error=str(error))
    try:
        held.timeouts.note(error)
    except StuckStatementError as stuck:
        return await settle_failure(held, stuck)
    await held.wait(STORE_PAUSE_SECONDS)
    return True
