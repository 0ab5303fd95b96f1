"""Another job like one that there was: a clone with changes, or another try."""

from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from services.gateway.fine_tuning.schemas import JobRequest
from services.gateway.fine_tuning.service import get_row
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.contracts.statuses import FINE_TUNING_JOB
from shared.http.answers import Json
from shared.stores.db.models import FineTuningJob
from shared.stores.db.repositories.fine_tuning_jobs import WrongStatusError

RETRIED_FROM = "retried_from"


async def plan_clone(gateway: Gateway, caller: Principal, job_id: str, overrides: Json) -> JobRequest:
    """Return the request of a job with some fields replaced. Raises: NotFoundError when the project has no such
    job; RequestValidationError when what comes out is no valid request."""
    async with gateway.database.transaction() as session:
        job = await get_row(session, caller, job_id)
    return read_request(override(describe_request(job), overrides))


async def plan_retry(gateway: Gateway, caller: Principal, job_id: str) -> tuple[FineTuningJob, JobRequest]:
    """Return a job that came to nothing and its request. Raises: NotFoundError when the project has no such job;
    WrongStatusError when it neither failed nor was cancelled."""
    async with gateway.database.transaction() as session:
        job = await get_row(session, caller, job_id)
    if job.status not in FINE_TUNING_JOB.repeatable:
        message = f"The job {job_id} is {job.status}; only failed and cancelled jobs are tried again. See 'clone'."
        raise WrongStatusError(message)
    request = read_request(describe_request(job))
    metadata = {**(request.metadata or {}), RETRIED_FROM: job.id}
    return job, request.model_copy(update={"metadata": metadata})


def override(body: Json, overrides: Json) -> Json:
    """Return the body with other values: null takes a field away, a dataset replaces both files, and hyperparameters
    change those of the method."""
    changed = {**body, **overrides}
    if overrides.get("dataset") is not None:
        changed |= {"training_file": None, "validation_file": overrides.get("validation_file")}
    if overrides.get("method") is None and isinstance(overrides.get("hyperparameters"), dict):
        changed |= {"method": change_hyperparameters(body["method"], changed.pop("hyperparameters"))}
    elif overrides.get("hyperparameters") is not None and "method" not in overrides:
        changed.pop("method")
    return {name: value for name, value in changed.items() if value is not None}


def change_hyperparameters(method: Json, changes: dict[str, Any]) -> Json:
    """Return the method with some hyperparameters replaced."""
    kind = method["type"]
    options = method.get(kind) or {}
    hyperparameters = {**(options.get("hyperparameters") or {}), **changes}
    return {"type": kind, kind: {**options, "hyperparameters": hyperparameters}}


def read_request(body: Json) -> JobRequest:
    """Return a checked request. Raises: RequestValidationError, which is answered like that of any body."""
    try:
        return JobRequest.model_validate(body)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def describe_request(job: FineTuningJob) -> Json:
    """Return the request that made a job, for another one like it."""
    body: Json = {
        "model": job.model,
        "training_file": job.training_file_id,
        "validation_file": job.validation_file_id,
        "suffix": job.suffix,
        "seed": job.seed,
        "metadata": job.job_metadata,
        "method": job.method,
        "integrations": job.integrations or None,
        "budget_usd": float(job.budget_usd) if job.budget_usd is not None else None,
        "replay": {"share": job.replay["share"]} if job.replay else None,
        "force": job.overlap_allowed or None,
    }
    return {name: value for name, value in body.items() if value is not None}
