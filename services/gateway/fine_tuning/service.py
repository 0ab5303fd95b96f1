"""Order, find and steer fine-tuning jobs, and read what they left behind."""

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.fine_tuning.client_retries import ClientPost
from services.gateway.fine_tuning.openai_objects import ShownJob
from services.gateway.fine_tuning.schemas import JobRequest
from services.gateway.fine_tuning.starting_point import StartModel, find_start, hold_files
from services.gateway.fine_tuning.trainers import require_trainer
from services.gateway.http.idempotency import KeyClaim
from services.gateway.limits.quotas import require_quota
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.clock import utc_now
from shared.contracts.queue.messages import RunFineTuningJob
from shared.errors import InvalidRequestError, NotFoundError
from shared.outside.prices.training import require_known_training_price, training_price
from shared.outside.providers.fine_tuning_capabilities import find_capabilities
from shared.stores.db.models import FineTuningChange, FineTuningCheckpoint, FineTuningJob, FineTuningMetric
from shared.stores.db.repositories import (
    fine_tuning_changes,
    fine_tuning_checkpoints,
    fine_tuning_jobs,
    fine_tuning_metrics,
    tracker_runs,
)
from shared.stores.db.repositories.fine_tuning_jobs import NewJob, Wanted
from shared.stores.db.repositories.pages import Page


async def order_job(
    gateway: Gateway,
    caller: Principal,
    claim: KeyClaim,
    request: JobRequest,
    post: ClientPost | None = None,
    *,
    is_legacy: bool = False,
) -> FineTuningJob:
    """Record a job and send it to the workers; a post that was made before joins its job.

    Raises: NotFoundError, InvalidRequestError for what the job is to start from,
    RateLimitedError for one open job too many."""
    start = await find_start(gateway, caller, request.model)
    require_sense(gateway, request, start)
    await require_trainer(gateway, start, request.model)
    async with gateway.database.transaction() as session:
        first = await post.find_first(session) if post else None
        if first is not None:
            return await get_row(session, caller, first)
        await require_quota(session, gateway, caller, max_open_fine_tuning_jobs=1)
        job = await add_job(session, caller, request, start, is_legacy=is_legacy)
        integrations = job.integrations
        await tracker_runs.open_tracker_runs(session, job.id, integrations, gateway.settings.trackers)
        await claim.bind(session, job.id)
        if post:
            await post.bind(session, job.id)
    await gateway.sender.send(RunFineTuningJob(job.id))
    return job


def require_sense(gateway: Gateway, request: JobRequest, start: StartModel) -> None:
    """Pass when what is asked for goes together. Raises: InvalidRequestError for a replay without ancestors, a method
    that the provider does not know, or a budget without a known price."""
    if request.replay is not None and request.replay.share and start.parent_id is None:
        message = f"replay: '{request.model}' has learned from no rows of this project that could be mixed in."
        raise InvalidRequestError(message, param="replay", code="no_ancestors")
    provider = gateway.catalog.providers.find(start.provider)
    if provider is None:
        return
    kind, _ = request.settle()
    if kind != "supervised" and not find_capabilities(provider).method:
        message = f"method: the provider '{provider.name}' of '{request.model}' knows supervised training alone."
        raise InvalidRequestError(message, param="method", code="unsupported_method")
    if request.budget_usd is not None:
        require_known_training_price(training_price(provider, start.name, utc_now().date()), request.model)


async def add_job(
    session: AsyncSession, caller: Principal, request: JobRequest, start: StartModel, *, is_legacy: bool
) -> FineTuningJob:
    """Insert the job of a request. Raises: NotFoundError, InvalidRequestError for its files."""
    chosen = await hold_files(session, caller, request)
    kind, hyperparameters = request.settle()
    job = NewJob(
        project_id=caller.project_id,
        api_key_id=caller.api_key_id,
        model=request.model,
        base_model=start.name,
        provider=start.provider,
        training_file_id=chosen.training,
        validation_file_id=chosen.validation,
        dataset_version_id=chosen.dataset_version,
        parent_model_id=start.parent_id,
        suffix=request.suffix,
        seed=request.seed,
        method={"type": kind, kind: {"hyperparameters": hyperparameters}},
        hyperparameters=hyperparameters,
        job_metadata=request.metadata,
        integrations=[integration.model_dump(exclude_none=True) for integration in request.integrations or []],
        replay=request.replay.model_dump() if request.replay else None,
        is_legacy=is_legacy,
        overlap_allowed=bool(request.force),
        budget_usd=Decimal(str(request.budget_usd)) if request.budget_usd is not None else None,
    )
    return await fine_tuning_jobs.add_job(session, job)


async def get_row(session: AsyncSession, caller: Principal, job_id: str) -> FineTuningJob:
    """Return a job. Raises: NotFoundError, also for another project's."""
    job = await fine_tuning_jobs.find_job(session, caller.project_id, job_id)
    if job is None:
        raise job_not_found(job_id)
    return job


async def get_job(gateway: Gateway, caller: Principal, job_id: str) -> ShownJob:
    """Return a job as it is shown. Raises: NotFoundError, also for another project's."""
    async with gateway.database.transaction() as session:
        job = await get_row(session, caller, job_id)
        reasons = await fine_tuning_changes.find_last_reasons(session, [job.id])
        return ShownJob(job, reasons.get(job.id), await tracker_runs.list_tracker_runs(session, job.id))


async def list_jobs(
    gateway: Gateway, caller: Principal, page: Page, metadata: dict[str, str]
) -> tuple[list[ShownJob], bool]:
    """Return a page of jobs. Raises: NotFoundError for a cursor that is not there."""
    async with gateway.database.transaction() as session:
        if page.after is not None:
            await get_row(session, caller, page.after)
        found, has_more = await fine_tuning_jobs.list_jobs(session, caller.project_id, page, metadata)
        reasons = await fine_tuning_changes.find_last_reasons(session, [job.id for job in found])
    return [ShownJob(job, reasons.get(job.id)) for job in found], has_more


async def steer_job(gateway: Gateway, caller: Principal, job_id: str, wish: Wanted) -> ShownJob:
    """Cancel, pause or resume a job. Raises: NotFoundError when the project has no such job; WrongStatusError when its
    status does not allow it."""
    async with gateway.database.transaction() as session:
        job = await fine_tuning_jobs.ask_for(session, caller.project_id, job_id, wish, caller.api_key_id)
        if job is None:
            raise job_not_found(job_id)
    await gateway.sender.send(RunFineTuningJob(job_id))
    return await get_job(gateway, caller, job_id)


async def list_checkpoints(
    gateway: Gateway, caller: Principal, job_id: str, after: str | None, limit: int
) -> tuple[Sequence[FineTuningCheckpoint], bool]:
    """Return a page of checkpoints, newest first. Raises: NotFoundError when the project has no such job."""
    async with gateway.database.transaction() as session:
        await get_row(session, caller, job_id)
        return await fine_tuning_checkpoints.list_checkpoints(session, job_id, after, limit)


async def list_metrics(
    gateway: Gateway, caller: Principal, job_id: str, after_step: int | None, limit: int
) -> tuple[Sequence[FineTuningMetric], bool]:
    """Return what steps measured, in their order. Raises: NotFoundError when the project has no such job."""
    async with gateway.database.transaction() as session:
        await get_row(session, caller, job_id)
        return await fine_tuning_metrics.list_metrics(session, job_id, after_step, limit)


async def list_changes(gateway: Gateway, caller: Principal, job_id: str) -> Sequence[FineTuningChange]:
    """Return the changes of status, oldest first. Raises: NotFoundError when the project has no such job."""
    async with gateway.database.transaction() as session:
        await get_row(session, caller, job_id)
        return await fine_tuning_changes.list_changes(session, job_id)


def job_not_found(job_id: str) -> NotFoundError:
    """Return OpenAI's error."""
    message = f"Could not find fine tune: {job_id}"
    return NotFoundError(message, param="fine_tuning_job_id", code="fine_tune_not_found")


def read_metadata_filter(params: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return what `metadata[key]=value` in a query asks for."""
    return {
        name.removeprefix("metadata[").removesuffix("]"): value
        for name, value in params
        if name.startswith("metadata[") and name.endswith("]")
    }
