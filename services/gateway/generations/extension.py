"""More repeats for a run that is there: what it has written stays, and only what is missing is asked for."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.generations.plan import RunPlan, ensure_version_id
from services.gateway.generations.service import RecordedRun, create_run, get_run
from services.gateway.http.idempotency import KeyClaim
from services.gateway.limits.quotas import require_quota
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.contracts.queue.messages import ExpandGeneration
from shared.errors import ConflictError, InvalidRequestError
from shared.stores.db.repositories import generations
from shared.stores.db.repositories.generations import Extension


async def extend_run(gateway: Gateway, caller: Principal, claim: KeyClaim, plan: RunPlan) -> RecordedRun:
    """Raise the repeats of the newest run of the same recipe, model and parameters to what is asked for; without such a
    run, make one. A run that has as many stays as it is. Raises: InvalidRequestError with a limit or a pilot,
    ConflictError for a
    run that was made with one or is being extended, RateLimitedError for more rows than the project may have open."""
    if plan.request.limit is not None:
        raise InvalidRequestError("limit: a run is extended in all of its cells; leave it out.", param="limit")
    if plan.request.pilot is not None:
        raise InvalidRequestError("pilot: the run that is extended has shown what a story takes.", param="pilot")
    async with gateway.database.transaction() as session:
        version_id = await ensure_version_id(session, gateway, caller, plan)
        like = await generations.find_like(session, caller.project_id, version_id, plan.model)
    if like is None:
        return await create_run(gateway, caller, claim, plan)
    async with gateway.database.transaction() as session:
        await extend(session, gateway, caller, plan, like)
        await claim.bind(session, like)
    await gateway.sender.send(ExpandGeneration(like))
    return await get_run(gateway, caller, like)


async def extend(session: AsyncSession, gateway: Gateway, caller: Principal, plan: RunPlan, run_id: str) -> None:
    """Raise the repeats of a run. Raises: as `extend_run`."""
    run = await generations.find_generation(session, caller.project_id, run_id)
    if run is None or run.repeats >= plan.repeats:
        return
    if run.total != plan.grid.cell_count * run.repeats:
        message = (
            f"'{run_id}' holds the first {run.total} stories of its grid only: a run with a limit is not extended."
        )
        raise ConflictError(message, param="extend")
    await require_quota(session, gateway, caller, max_open_generations=1, max_open_rows=plan.total - run.total)
    request = plan.request
    wanted = Extension(
        plan.repeats, plan.total, request.budget(), request.requests_per_minute, request.tokens_per_minute
    )
    if not await generations.extend_generation(session, run, wanted):
        raise ConflictError(f"'{run_id}' was changed just now. Try again.", param="extend")
