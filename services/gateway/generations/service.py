"""Make, read and steer runs."""

from services.gateway.generations.plan import RunPlan, ensure_version_id
from services.gateway.generations.schemas import RetryRequest
from services.gateway.http.idempotency import KeyClaim
from services.gateway.limits.quotas import require_quota
from services.gateway.wiring import Gateway
from shared import ids
from shared.auth.principal import Principal
from shared.clock import unix_seconds, utc_now
from shared.contracts.queue.messages import ExpandGeneration, WorkGeneration
from shared.contracts.recipes.stories import build_stories
from shared.contracts.statuses import GENERATION
from shared.errors import ConflictError, NotFoundError
from shared.http.answers import Json
from shared.stores.db.models import Generation, Recipe, RecipeVersion
from shared.stores.db.repositories import generations, recipes
from shared.stores.db.repositories.generations import NewGeneration
from shared.stores.db.repositories.pages import Page
from shared.stores.db.repositories.story_expansion import insert_stories

INLINE_ROWS = 2_000
"""Up to here the rows are inserted with the run (a tenth of a second); beyond it a worker inserts them."""

RecordedRun = tuple[Generation, Recipe, RecipeVersion]


async def create_run(gateway: Gateway, caller: Principal, claim: KeyClaim, plan: RunPlan) -> RecordedRun:
    """Record a run, with its rows if they are few, and send it to the workers. Raises: RateLimitedError for one run, or
    more rows, than the project may have open."""
    generation_id = ids.new_id(ids.GENERATION)
    inline_rows = plan.total if plan.total <= INLINE_ROWS else 0
    stories = await gateway.computing.run(caller.project_id, lambda: list(build_stories(plan.source, 0, inline_rows)))
    async with gateway.database.transaction() as session:
        await require_quota(session, gateway, caller, max_open_generations=1, max_open_rows=plan.total)
        version_id = await ensure_version_id(session, gateway, caller, plan)
        await generations.add_generation(
            session,
            NewGeneration(
                id=generation_id,
                project_id=caller.project_id,
                api_key_id=caller.api_key_id,
                recipe_version_id=version_id,
                model=plan.model,
                parameters=dict(plan.content.parameters),
                repeats=plan.repeats,
                total=plan.total,
                expanded=inline_rows,
                budget_usd=plan.request.budget(),
                requests_per_minute=plan.request.requests_per_minute,
                tokens_per_minute=plan.request.tokens_per_minute,
                pilot=plan.pilot,
            ),
        )
        if inline_rows:
            await insert_stories(session, generation_id=generation_id, project_id=caller.project_id, stories=stories)
        await claim.bind(session, generation_id)
    message = WorkGeneration(generation_id) if inline_rows else ExpandGeneration(generation_id)
    await gateway.sender.send(message)
    return await get_run(gateway, caller, generation_id)


async def get_run(gateway: Gateway, caller: Principal, generation_id: str) -> RecordedRun:
    """Return a run and what it is made from. Raises: NotFoundError, also for another project's."""
    async with gateway.database.transaction() as session:
        run = await generations.find_generation(session, caller.project_id, generation_id)
        if run is None:
            raise NotFoundError(f"No generation '{generation_id}' in this project.", param="id")
        return run, *await recipes.get_version(session, run.recipe_version_id)


async def list_runs(
    gateway: Gateway, caller: Principal, page: Page, status: str | None
) -> tuple[list[RecordedRun], bool]:
    """Return a page of runs, each with what it is made from. Raises: NotFoundError for a cursor that is not there."""
    if page.after is not None:
        await get_run(gateway, caller, page.after)
    async with gateway.database.transaction() as session:
        runs, has_more = await generations.list_generations(session, caller.project_id, page, status=status)
        versions = await recipes.list_versions(session, [run.recipe_version_id for run in runs])
    return [(run, *versions[run.recipe_version_id]) for run in runs], has_more


async def cancel_run(gateway: Gateway, caller: Principal, generation_id: str) -> RecordedRun:
    """End a run: no new call is made; what is under way is given up, and on the books. A cancelled run stays so.

    Raises: ConflictError when it is over already, NotFoundError.
    """
    values = {"status": "cancelled", "finished_at": utc_now(), "limited_by": None, "resumes_at": None}
    return await change_run(gateway, caller, generation_id, GENERATION.cancellable, values, "cancelled")


async def pause_run(gateway: Gateway, caller: Principal, generation_id: str) -> RecordedRun:
    """Make no new calls until it is resumed. Raises: ConflictError when it is over, NotFoundError."""
    values = {"status": "paused", "status_reason": generations.BY_REQUEST, "limited_by": None}
    return await change_run(gateway, caller, generation_id, GENERATION.pausable, values, "paused")


async def resume_run(gateway: Gateway, caller: Principal, generation_id: str) -> RecordedRun:
    """Go on with a paused run. Raises: ConflictError when it is not paused, NotFoundError."""
    values = {"status": "queued", "status_reason": None, "resumes_at": None}
    run = await change_run(gateway, caller, generation_id, GENERATION.resumable, values, None)
    if run[0].expanded < run[0].total:
        await gateway.sender.send(ExpandGeneration(generation_id))
    await gateway.sender.send(WorkGeneration(generation_id))
    return run


async def retry_run(gateway: Gateway, caller: Principal, generation_id: str, request: RetryRequest) -> RecordedRun:
    """Queue a run's failed or rejected rows again; a run that was over goes on.

    Raises: ConflictError when it was cancelled or has no such row; NotFoundError when the caller has no such run."""
    wanted, failure_class = request.status, request.failure_class
    run, _, _ = await get_run(gateway, caller, generation_id)
    async with gateway.database.transaction() as session:
        count = await generations.retry_stories(session, run.id, wanted, failure_class)
    if count == 0:
        what = f"no story that {wanted} with {failure_class!r}" if failure_class else f"no {wanted} story"
        param = "failure_class" if failure_class else "status"
        raise ConflictError(f"The generation is {run.status} and has {what} to retry.", param=param)
    await gateway.sender.send(WorkGeneration(generation_id))
    return await get_run(gateway, caller, generation_id)


async def change_parameters(gateway: Gateway, caller: Principal, generation_id: str, changes: Json) -> RecordedRun:
    """Change parameters of a paused run for the calls that are still to be made; null takes one away. What is written
    stays. Raises: ConflictError when the run is not paused, NotFoundError."""
    run, _, _ = await get_run(gateway, caller, generation_id)
    merged = {**run.parameters, **changes}
    values = {"parameters": {name: value for name, value in merged.items() if value is not None}}
    return await change_run(gateway, caller, generation_id, GENERATION.resumable, values, None)


async def change_run(
    gateway: Gateway,
    caller: Principal,
    generation_id: str,
    allowed: tuple[str, ...],
    values: Json,
    already: str | None,
) -> RecordedRun:
    """Change a run's status if it is one of `allowed`; a run that is `already` so is left as it is."""
    run, _, _ = await get_run(gateway, caller, generation_id)
    async with gateway.database.transaction() as session:
        changed = await generations.change_status(session, run.id, allowed=allowed, values=values)
    now = await get_run(gateway, caller, generation_id)
    if not changed and now[0].status != already:
        raise ConflictError(
            f"The generation is {now[0].status}; only one that is {' or '.join(allowed)} can be changed so.",
            param="status",
        )
    return now


def shape_generation(run: Generation, recipe: Recipe, version: RecipeVersion) -> Json:
    """Return the generation object."""
    return {
        "id": run.id,
        "object": "generation",
        "status": run.status,
        "status_reason": run.status_reason,
        "resumes_at": unix_seconds(run.resumes_at) if run.resumes_at else None,
        "recipe": {"id": recipe.id, "name": recipe.name, "version": version.number, "version_id": version.id},
        "model": run.model,
        "repeats": run.repeats,
        "counts": count_stories(run),
        "usage": {
            "prompt_tokens": run.prompt_tokens,
            "completion_tokens": run.completion_tokens,
            "total_tokens": run.prompt_tokens + run.completion_tokens,
        },
        "cost_usd": float(run.spent_usd),
        "cost_known": run.cost_known,
        "reserved_usd": float(run.reserved_usd),
        "budget_usd": None if run.budget_usd is None else float(run.budget_usd),
        "requests_per_minute": run.requests_per_minute,
        "tokens_per_minute": run.tokens_per_minute,
        "pilot": run.pilot,
        "limited_by": run.limited_by,
        "created_at": unix_seconds(run.created_at),
        "started_at": unix_seconds(run.started_at) if run.started_at else None,
        "finished_at": unix_seconds(run.finished_at) if run.finished_at else None,
    }


def count_stories(run: Generation) -> dict[str, int]:
    """Return the stories by state; they sum up to the total."""
    ended = run.succeeded + run.failed + run.rejected
    waiting = max(0, run.total - ended - run.running)
    is_cancelled = run.status == "cancelled"
    return {
        "total": run.total,
        "queued": 0 if is_cancelled else waiting,
        "running": run.running,
        "succeeded": run.succeeded,
        "failed": run.failed,
        "rejected": run.rejected,
        "cancelled": waiting if is_cancelled else 0,
    }
