"""Fine-tuning jobs: added, read, and told to stop or go on by the gateway. Workers claim and carry them out
(`fine_tuning_claims`); what belongs to a job stands in `fine_tuning_{events,changes,metrics,checkpoints}`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.clock import utc_now
from shared.contracts.statuses import FINE_TUNING_JOB
from shared.errors import InvalidRequestError
from shared.stores.db.models import FineTuningEvent, FineTuningJob
from shared.stores.db.repositories.fine_tuning_changes import change_status, write_change
from shared.stores.db.repositories.fine_tuning_events import NewEvent, append_events
from shared.stores.db.repositories.outbox import add_webhook_events
from shared.stores.db.repositories.pages import Page, fetch_page

Wanted = Literal["cancel", "pause", "resume"]

ALLOWED: Final[dict[Wanted, tuple[str, ...]]] = {
    "cancel": FINE_TUNING_JOB.cancellable,
    "pause": FINE_TUNING_JOB.pausable,
    "resume": FINE_TUNING_JOB.resumable,
}
REACHED: Final[dict[Wanted, str]] = {"cancel": "cancelled", "pause": "paused", "resume": "validating_files"}
PARTICIPLE: Final[dict[Wanted, str]] = {"cancel": "cancelled", "pause": "paused", "resume": "resumed"}


class WrongStatusError(InvalidRequestError):
    """The job is in a status in which this cannot be asked for."""

    default_code = "invalid_job_status"


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as asked for, checked and resolved."""

    project_id: str
    api_key_id: str
    model: str
    base_model: str
    provider: str
    training_file_id: str
    validation_file_id: str | None = None
    dataset_version_id: str | None = None
    parent_model_id: str | None = None
    suffix: str | None = None
    seed: int | None = None
    method: dict[str, Any] = field(default_factory=lambda: {"type": "supervised"})
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    job_metadata: dict[str, str] | None = None
    integrations: list[dict[str, Any]] = field(default_factory=list)
    replay: dict[str, Any] | None = None
    is_legacy: bool = False
    overlap_allowed: bool = False
    budget_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class JobMark:
    """How far a job is: equal marks, nothing new."""

    status: str
    step: str
    last_position: int
    """Of its events."""

    @property
    def is_over(self) -> bool:
        """Say whether nothing will follow."""
        return self.step == "done"


async def add_job(session: AsyncSession, job: NewJob) -> FineTuningJob:
    """Insert a job with its first change and event. Send its message after the commit."""
    values = {name: getattr(job, name) for name in NewJob.__dataclass_fields__}
    row = FineTuningJob(id=ids.new_id(ids.FINE_TUNING_JOB), status="validating_files", step="upload", **values)
    session.add(row)
    await session.flush()
    await write_change(
        session, row.id, from_status=None, to_status=row.status, by=job.api_key_id, reason="asked for by a client"
    )
    event = NewEvent(f"Created fine-tuning job: {row.id}", data={"code": "created"})
    await append_events(session, row.id, [event])
    await session.refresh(row)
    return row


async def find_job(session: AsyncSession, project_id: str, job_id: str) -> FineTuningJob | None:
    """Return a job of the project."""
    query = select(FineTuningJob).where(FineTuningJob.id == job_id, FineTuningJob.project_id == project_id)
    return (await session.scalars(query)).one_or_none()


async def list_jobs(
    session: AsyncSession, project_id: str, page: Page, metadata: dict[str, str] | None = None
) -> tuple[Sequence[FineTuningJob], bool]:
    """Return a page of a project's jobs, those that carry all of `metadata`, and whether there is more."""
    query = select(FineTuningJob).where(FineTuningJob.project_id == project_id)
    if metadata:
        query = query.where(FineTuningJob.job_metadata.contains(metadata))
    return await fetch_page(session, query, FineTuningJob.id, page)


async def ask_for(session: AsyncSession, project_id: str, job_id: str, wanted: Wanted, by: str) -> FineTuningJob | None:
    """Have a job cancelled, paused or resumed; None when the project has no such job.

    A job that the provider cannot know of yet changes at once; for any other the wish is noted, and its worker
    carries it out within a second. Asking again for what is so already changes nothing.

    Raises: WrongStatusError when the job's status does not allow it."""
    query = select(FineTuningJob).where(FineTuningJob.id == job_id, FineTuningJob.project_id == project_id)
    job = (await session.scalars(query.with_for_update())).one_or_none()
    if job is None or job.status == REACHED[wanted]:
        return job
    if job.status not in ALLOWED[wanted]:
        message = f"The job {job_id} is {job.status} and cannot be {PARTICIPLE[wanted]}."
        raise WrongStatusError(message)
    if await _may_be_upstream(session, job):
        job.wanted, job.wanted_by = wanted, by
        await session.flush()
    else:
        await _change_at_once(session, job, wanted, by)
    return job


async def _may_be_upstream(session: AsyncSession, job: FineTuningJob) -> bool:
    """Whether a call that makes the job at the provider may have left: its attempt is committed before."""
    if job.upstream_job_id is not None:
        return True
    statement = text("select 1 from attempt where subject_id = :id and kind = 'training'")
    return (await session.scalar(statement, {"id": job.id})) is not None


async def _change_at_once(session: AsyncSession, job: FineTuningJob, wanted: Wanted, by: str) -> None:
    """A worker that holds the job loses it by the new attempt."""
    values: dict[str, Any] = {"attempt": job.attempt + 1, "worker_id": None, "lease_until": None, "not_before": None}
    if wanted == "cancel":
        values |= {"step": "done", "finished_at": utc_now()}
    await change_status(session, job, REACHED[wanted], by=by, reason="asked for by a client", values=values)
    event = NewEvent(f"Fine-tuning job {PARTICIPLE[wanted]}", data={"code": PARTICIPLE[wanted]})
    await append_events(session, job.id, [event])
    if wanted == "cancel":
        await add_webhook_events(session, job.project_id, "fine_tuning.job.cancelled", {"id": job.id})


async def count_waiting_before(session: AsyncSession, job: FineTuningJob) -> int:
    """Return how many older jobs wait at the same provider: the queue number."""
    query = select(func.count()).where(
        FineTuningJob.provider == job.provider, FineTuningJob.status == "queued", FineTuningJob.id < job.id
    )
    return (await session.scalar(query)) or 0


async def find_progress(session: AsyncSession, job_id: str) -> tuple[str, str | None]:
    """Return the job's next step and its id at its provider, whoever holds the job."""
    query = select(FineTuningJob.step, FineTuningJob.upstream_job_id).where(FineTuningJob.id == job_id)
    step, upstream_job_id = (await session.execute(query)).one()
    return step, upstream_job_id


async def find_marks(session: AsyncSession, job_ids: Collection[str]) -> dict[str, JobMark]:
    """Return where jobs stand, each in one consistent look."""
    last = (
        select(func.coalesce(func.max(FineTuningEvent.position), 0))
        .where(FineTuningEvent.job_id == FineTuningJob.id)
        .scalar_subquery()
    )
    query = select(FineTuningJob.id, FineTuningJob.status, FineTuningJob.step, last)
    found = await session.execute(query.where(FineTuningJob.id.in_(set(job_ids))))
    return {job_id: JobMark(status, step, position) for job_id, status, step, position in found}
