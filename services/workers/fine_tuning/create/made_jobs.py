"""The jobs at a provider that were made for one of ours: found again by what only they have, and cancelled."""

from datetime import timedelta
from typing import Final

from services.workers.fine_tuning.failures import is_gone
from services.workers.fine_tuning.held_job import HeldJob
from services.workers.fine_tuning.upstream.provider import UpstreamJob
from shared.contracts.statuses import FINE_TUNING_JOB
from shared.observability.logs import get_logger
from shared.outside.providers.failures import LlmError
from shared.stores.db.models import FineTuningJob

MARK: Final = "storymill_job"
CLOCK_SKEW: Final = timedelta(minutes=10)

log = get_logger(__name__)


def find_mark(job: FineTuningJob) -> str:
    """Return the last digits of the job's id: its random part."""
    return job.id[-12:]


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
    return sorted(found, key=lambda upstream: upstream.status in FINE_TUNING_JOB.repeatable)


def is_ours(held: HeldJob, job: FineTuningJob, upstream: UpstreamJob) -> bool:
    """Say whether a provider's job was made for this job."""
    match held.provider.capabilities.adoption:
        case "metadata":
            return upstream.metadata.get(MARK) == job.id
        case "suffix":
            return find_mark(job) in (upstream.suffix or "") or find_mark(job) in (upstream.fine_tuned_model or "")
        case "training_file":
            return upstream.training_file == job.upstream_training_file_id


async def cancel_one(held: HeldJob, upstream_id: str) -> None:
    """Cancel a job at the provider; one that has ended already is no matter."""
    log.warning("fine_tuning_training_cancelled", job=held.id, upstream=upstream_id)
    try:
        await held.provider.change_job(upstream_id, "cancel")
    except LlmError as error:
        if error.failure_class.retryable and not is_gone(error):
            raise
