"""Step `create`: one job at the provider, whatever crashes. The intent is committed first; who comes after a crash
looks for the job before making one, and cancels doubles. See ADR 60."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.fine_tuning.failures import is_gone
from services.workers.fine_tuning.held_job import HeldJob
from services.workers.fine_tuning.progress import enter_status
from services.workers.fine_tuning.upload_step import carry_out_here
from services.workers.fine_tuning.upstream.provider import JobOrder, UpstreamJob
from shared.observability.logs import get_logger
from shared.outside.providers.failures import LlmError
from shared.stores.db.models import FineTuningJob
from shared.stores.db.repositories.fine_tuning_claims import LostJobError
from shared.stores.db.repositories.fine_tuning_events import NewEvent, append_events
from shared.stores.db.repositories.fine_tuning_jobs import count_waiting_before, find_upstream_id
from shared.stores.db.repositories.training_books import find_training_start, open_training_attempt

MARK: Final = "storymill_job"
CLOCK_SKEW: Final = timedelta(minutes=10)
LONGEST_SUFFIX: Final = 40
MOST_METADATA: Final = 16
OPEN: Final = frozenset({"validating_files", "queued", "running", "paused"})

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Intent:
    """A job that is about to be made, or may have been."""

    job: FineTuningJob
    is_first: bool
    """Nobody has tried before."""


async def create_upstream(held: HeldJob) -> None:
    """Do the step. Raises: LlmError, LostJobError."""
    intent = await record_intent(held)
    found = [] if intent.is_first else await find_made(held, intent.job)
    if not found and intent.job.wanted is not None and await carry_out_here(held):
        return
    upstream = found[0] if found else await held.provider.create_job(make_order(held, intent.job))
    if not intent.is_first:
        doubles = found[1:] if found else [job for job in await find_made(held, intent.job) if job.id != upstream.id]
        await cancel_doubles(held, doubles)
    try:
        await record_created(held, upstream)
    except LostJobError:
        await withdraw(held, upstream)
        raise


async def record_intent(held: HeldJob) -> Intent:
    """Put the training on the books before it is asked for."""
    async with held.writing() as (session, job):
        is_first = await find_training_start(session, job.id) is None
        await open_training_attempt(session, job, held.context.worker_id)
        return Intent(job, is_first)


def make_order(held: HeldJob, job: FineTuningJob) -> JobOrder:
    """Return the order, without what the provider cannot take."""
    can = held.provider.capabilities
    assert job.upstream_training_file_id is not None
    hyperparameters = find_hyperparameters(job, relative_rate=can.relative_learning_rate)
    return JobOrder(
        model=job.base_model,
        training_file=job.upstream_training_file_id,
        validation_file=job.upstream_validation_file_id,
        suffix=make_suffix(job, is_mark=can.adoption == "suffix") if can.suffix else None,
        seed=job.seed if can.seed else None,
        method=make_method(job, hyperparameters) if can.method else None,
        hyperparameters=None if can.method else hyperparameters or None,
        metadata=make_metadata(job) if can.adoption == "metadata" else None,
    )


def find_hyperparameters(job: FineTuningJob, *, relative_rate: bool) -> dict[str, Any]:
    """Return what was asked for, of either form."""
    kind = str(job.method.get("type") or "supervised")
    asked = dict((job.method.get(kind) or {}).get("hyperparameters") or job.hyperparameters)
    if not relative_rate:
        asked.pop("learning_rate_multiplier", None)
    return asked


def make_method(job: FineTuningJob, hyperparameters: dict[str, Any]) -> dict[str, Any]:
    """Return OpenAI's `method`."""
    kind = str(job.method.get("type") or "supervised")
    inner = {**(job.method.get(kind) or {}), "hyperparameters": hyperparameters}
    return {"type": kind, kind: inner if hyperparameters else {**inner, "hyperparameters": {}}}


def make_suffix(job: FineTuningJob, *, is_mark: bool) -> str | None:
    """Return the suffix, with a part that no other job has where that is how we know the job again."""
    if not is_mark:
        return job.suffix
    part = find_mark(job)
    kept = (job.suffix or "")[: LONGEST_SUFFIX - len(part) - 1].strip("-")
    return f"{kept}-{part}" if kept else part


def find_mark(job: FineTuningJob) -> str:
    """Return the last digits of the job's id: its random part."""
    return job.id[-12:]


def make_metadata(job: FineTuningJob) -> dict[str, str]:
    """Return the client's metadata with our mark; the mark goes before the client's last entries."""
    return dict([(MARK, job.id), *(job.job_metadata or {}).items()][:MOST_METADATA])


async def find_made(held: HeldJob, job: FineTuningJob) -> list[UpstreamJob]:
    """Return the jobs at the provider that can only be this one, the oldest first; open ones before ended ones."""
    wanted = {MARK: job.id} if held.provider.capabilities.adoption == "metadata" else None
    found, earliest = [], job.created_at - CLOCK_SKEW
    async for upstream in held.provider.list_jobs(wanted):
        if upstream.created_at is not None and upstream.created_at < earliest:
            break
        if is_ours(held, job, upstream):
            found.append(upstream)
    found.reverse()
    return sorted(found, key=lambda upstream: upstream.status in {"cancelled", "failed"})


def is_ours(held: HeldJob, job: FineTuningJob, upstream: UpstreamJob) -> bool:
    """Say whether a provider's job was made for this job."""
    match held.provider.capabilities.adoption:
        case "metadata":
            return upstream.metadata.get(MARK) == job.id
        case "suffix":
            return find_mark(job) in (upstream.suffix or "") or find_mark(job) in (upstream.fine_tuned_model or "")
        case "training_file":
            return upstream.training_file == job.upstream_training_file_id


async def cancel_doubles(held: HeldJob, doubles: list[UpstreamJob]) -> None:
    """Cancel what a worker made that was thought dead."""
    for double in doubles:
        if double.status in OPEN:
            await cancel_one(held, double.id)


async def withdraw(held: HeldJob, upstream: UpstreamJob) -> None:
    """We made a job and then were not the owner any more: unless the owner took it, cancel it."""
    async with held.context.database.transaction() as session:
        kept = await find_upstream_id(session, held.id)
    if kept is not None and kept != upstream.id:
        await cancel_one(held, upstream.id)


async def cancel_one(held: HeldJob, upstream_id: str) -> None:
    """Cancel a job at the provider; one that has ended already is no matter."""
    log.warning("fine_tuning_double_cancelled", job=held.id, upstream=upstream_id)
    try:
        await held.provider.change_job(upstream_id, "cancel")
    except LlmError as error:
        if error.failure_class.retryable and not is_gone(error):
            raise


async def record_created(held: HeldJob, upstream: UpstreamJob) -> None:
    """The provider has the job: go on to follow it."""
    async with held.writing() as (session, job):
        job.upstream_job_id = upstream.id
        job.step, job.tries, job.not_before = "follow", 0, None
        await append_events(session, job.id, [await describe_queue(session, job)])
        if upstream.status in OPEN:
            await enter_status(session, job, upstream.status)
    log.info("fine_tuning_job_created", job=held.id, upstream=upstream.id)


async def describe_queue(session: AsyncSession, job: FineTuningJob) -> NewEvent:
    """Return the event that tells the place in the queue."""
    number = await count_waiting_before(session, job)
    message = f"Job enqueued at {job.provider}. Queue number: {number}"
    return NewEvent(message, data={"code": "enqueued", "queue_number": number})
