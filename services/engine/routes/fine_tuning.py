"""/v1/fine_tuning/jobs: create, list, describe, cancel, pause, resume, events, checkpoints."""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from services.engine.errors import InvalidRequestError
from services.engine.idempotency import read_key
from services.engine.routes.files import TrainingDependency
from services.engine.routes.pages import describe_page
from services.engine.training.event_rows import Event
from services.engine.training.job_request import parse_job_request
from services.engine.training.job_store import Checkpoint, Job, WrongStatusError
from services.engine.training.service import TrainingService, job_not_found

router = APIRouter(prefix="/v1/fine_tuning/jobs")

Limit = Annotated[int, Query(ge=1, le=1000)]


@router.post("")
async def create_job(request: Request, training: TrainingDependency) -> dict[str, Any]:
    """Create a job; its files are validated right after. Asked again with the same Idempotency-Key, it is that job."""
    try:
        body = await request.json()
    except ValueError as error:  # broken JSON, or not UTF-8
        raise InvalidRequestError("We could not parse the JSON body of your request.") from error
    wanted = parse_job_request(body)
    asked_for = json.dumps(body, sort_keys=True).encode()
    key = read_key(request.headers, "job", asked_for)
    job = await asyncio.to_thread(training.create_job, wanted, key)
    training.supervisor.wake()
    return describe_job(job, training)


@router.get("")
def list_jobs(
    request: Request, training: TrainingDependency, after: str | None = None, limit: Limit = 20
) -> dict[str, Any]:
    """The jobs, newest first; `metadata[key]=value` keeps those that have it."""
    wanted = {
        name.removeprefix("metadata[").removesuffix("]"): value
        for name, value in request.query_params.items()
        if name.startswith("metadata[") and name.endswith("]")
    }
    found = training.jobs.list(after=after, limit=limit + 1, metadata=wanted)
    return describe_page([describe_job(job, training) for job in found], limit)


@router.get("/{job_id}")
def retrieve_job(job_id: str, training: TrainingDependency) -> dict[str, Any]:
    """The job as it stands now; 404 when there is none."""
    return describe_job(_get(training, job_id), training)


@router.get("/{job_id}/events")
def list_events(
    job_id: str, training: TrainingDependency, after: str | None = None, limit: Limit = 20
) -> dict[str, Any]:
    """The job's events, newest first; `after` goes back in time."""
    _get(training, job_id)
    found = training.jobs.events(job_id, after=after, limit=limit + 1)
    return describe_page([describe_event(event) for event in found], limit)


@router.get("/{job_id}/checkpoints")
def list_checkpoints(
    job_id: str, training: TrainingDependency, after: str | None = None, limit: Limit = 10
) -> dict[str, Any]:
    """The job's checkpoints, newest first."""
    _get(training, job_id)
    found = training.jobs.checkpoints(job_id, after=after, limit=limit + 1)
    return describe_page([describe_checkpoint(checkpoint) for checkpoint in found], limit)


@router.post("/{job_id}/cancel")
async def cancel_job(job_id: str, training: TrainingDependency) -> dict[str, Any]:
    """Cancel: at once for a waiting job, within one step for a running one."""
    return await _change(training, job_id, training.jobs.cancel)


@router.post("/{job_id}/pause")
async def pause_job(job_id: str, training: TrainingDependency) -> dict[str, Any]:
    """Pause: the trainer leaves a resume point within one step."""
    return await _change(training, job_id, training.jobs.pause)


@router.post("/{job_id}/resume")
async def resume_job(job_id: str, training: TrainingDependency) -> dict[str, Any]:
    """Queue a paused job again; it goes on where it stood."""
    return await _change(training, job_id, training.jobs.resume)


async def _change(training: TrainingService, job_id: str, change: Callable[[str], Job]) -> dict[str, Any]:
    try:
        job = await asyncio.to_thread(change, job_id)
    except KeyError as error:
        raise job_not_found(job_id) from error
    except WrongStatusError as error:
        raise InvalidRequestError(str(error), code="invalid_job_status") from error
    training.supervisor.wake()
    return describe_job(job, training)


def _get(training: TrainingService, job_id: str) -> Job:
    job = training.jobs.find(job_id)
    if job is None:
        raise job_not_found(job_id)
    return job


def describe_job(job: Job, training: TrainingService) -> dict[str, Any]:
    """OpenAI's job object."""
    method = job.request["method"]
    return {
        "id": job.id,
        "object": "fine_tuning.job",
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "model": job.request["model"],
        "fine_tuned_model": job.fine_tuned_model,
        "organization_id": f"org-{training.settings.organization}",
        "status": job.status,
        "hyperparameters": job.hyperparameters,
        "method": {"type": method, method: {"hyperparameters": job.hyperparameters}},
        "training_file": job.request["training_file"],
        "validation_file": job.request["validation_file"],
        "result_files": job.result_files,
        "trained_tokens": job.trained_tokens,
        "error": job.error,
        "seed": job.request["seed"],
        "suffix": job.request["suffix"],
        "integrations": job.request["integrations"],
        "estimated_finish": job.estimated_finish,
        "metadata": job.request["metadata"],
    }


def describe_event(event: Event) -> dict[str, Any]:
    """OpenAI's event object."""
    return {
        "id": event.id,
        "object": "fine_tuning.job.event",
        "created_at": event.created_at,
        "level": event.level,
        "type": event.type,
        "message": event.message,
        "data": event.data,
    }


def describe_checkpoint(checkpoint: Checkpoint) -> dict[str, Any]:
    """OpenAI's checkpoint object."""
    return {
        "id": checkpoint.id,
        "object": "fine_tuning.job.checkpoint",
        "created_at": checkpoint.created_at,
        "fine_tuned_model_checkpoint": checkpoint.model,
        "fine_tuning_job_id": checkpoint.job_id,
        "step_number": checkpoint.step,
        "metrics": checkpoint.metrics,
    }
