"""Fine-tunes of 2023: found, listed, hidden, and shaped from today's jobs."""

from collections.abc import Sequence
from typing import Final

from services.gateway.files.service import shape_file
from services.gateway.fine_tuning.hyperparameters import AUTO
from services.gateway.fine_tuning.openai_objects import ORGANIZATION
from services.gateway.fine_tuning.service import get_row, job_not_found
from services.gateway.legacy_fine_tunes.events import job_id_of, legacy_id
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.clock import unix_seconds
from shared.errors import ConflictError
from shared.http.answers import Json
from shared.stores.db.models import File, FineTuningJob
from shared.stores.db.repositories import files, legacy_fine_tunes

MOST_LISTED: Final = 1000
"""The client of 2023 knows no pages."""
STATUSES: Final = {"validating_files": "pending", "queued": "pending", "paused": "pending"}


async def get_fine_tune(gateway: Gateway, caller: Principal, fine_tune_id: str) -> FineTuningJob:
    """Return the job of a fine-tune. Raises: NotFoundError, also for one that was deleted here."""
    async with gateway.database.transaction() as session:
        job = await get_row(session, caller, job_id_of(fine_tune_id))
    if job.legacy_deleted_at is not None:
        raise job_not_found(fine_tune_id)
    return job


async def list_fine_tunes(gateway: Gateway, caller: Principal) -> list[Json]:
    """Return the newest fine-tunes, the oldest of them first, without their events."""
    async with gateway.database.transaction() as session:
        jobs = await legacy_fine_tunes.list_legacy_jobs(session, caller.project_id, MOST_LISTED)
    return await shape_fine_tunes(gateway, jobs)


async def delete_fine_tune(gateway: Gateway, caller: Principal, fine_tune_id: str) -> Json:
    """Hide a fine-tune that is over; its model stays. Raises: NotFoundError when the project has none such or it was
    deleted before; ConflictError while it is not over."""
    job = await get_fine_tune(gateway, caller, fine_tune_id)
    async with gateway.database.transaction() as session:
        if not await legacy_fine_tunes.delete_legacy_job(session, caller.project_id, job.id):
            raise ConflictError(f"The fine-tune '{fine_tune_id}' is not over yet. Cancel it first.", param="id")
    return {"id": legacy_id(job.id), "object": "fine-tune", "deleted": True}


async def shape_fine_tune(gateway: Gateway, job: FineTuningJob) -> Json:
    """Return one fine-tune object."""
    return (await shape_fine_tunes(gateway, [job]))[0]


async def shape_fine_tunes(gateway: Gateway, jobs: Sequence[FineTuningJob]) -> list[Json]:
    """Return the objects of 2023, with their files."""
    named = [file_id for job in jobs for file_id in list_file_ids(job)]
    async with gateway.database.transaction() as session:
        known = await files.list_named(session, named)
        names = await legacy_fine_tunes.find_legacy_names(session, [job.id for job in jobs])
    return [shape_one(job, known, names.get(job.id)) for job in jobs]


def list_file_ids(job: FineTuningJob) -> list[str]:
    """Return the files that a job names."""
    return [file_id for file_id in (job.training_file_id, job.validation_file_id, job.result_file_id) if file_id]


def shape_one(job: FineTuningJob, known: dict[str, File], legacy_name: str | None) -> Json:
    """Return the fine-tune object."""
    return {
        "id": legacy_id(job.id),
        "object": "fine-tune",
        "model": job.model,
        "created_at": unix_seconds(job.created_at),
        "updated_at": unix_seconds(job.finished_at or job.started_at or job.created_at),
        "organization_id": ORGANIZATION,
        "status": STATUSES.get(job.status, job.status),
        "fine_tuned_model": legacy_name or job.fine_tuned_model,
        "hyperparams": shape_hyperparams(job),
        "training_files": shape_files(known, job.training_file_id),
        "validation_files": shape_files(known, job.validation_file_id),
        "result_files": shape_files(known, job.result_file_id),
    }


def shape_hyperparams(job: FineTuningJob) -> Json:
    """Return the settled numbers, null for what is not settled yet."""
    names = ("n_epochs", "batch_size", "learning_rate_multiplier", "prompt_loss_weight")
    values = {name: job.hyperparameters.get(name) for name in names}
    return {name: None if value == AUTO else value for name, value in values.items()}


def shape_files(known: dict[str, File], file_id: str | None) -> list[Json]:
    """Return a file in its list, or an empty one."""
    file = known.get(file_id or "")
    return [shape_file(file)] if file is not None else []
