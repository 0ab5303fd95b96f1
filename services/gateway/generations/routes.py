"""`/v1/generations…`."""

from collections.abc import AsyncGenerator
from typing import Annotated, Literal

from fastapi import Query, Response

from services.gateway.generations.answers import Coverage, FailuresOfAClass, FilledCells
from services.gateway.generations.coverage import describe_cells, describe_coverage, list_failures
from services.gateway.generations.estimate import estimate_run
from services.gateway.generations.events import write_progress
from services.gateway.generations.export import MEDIA_TYPES, write_csv, write_jsonl, write_parquet
from services.gateway.generations.extension import extend_run
from services.gateway.generations.forecast import forecast_run
from services.gateway.generations.plan import plan_run
from services.gateway.generations.removal import delete_run
from services.gateway.generations.schemas import (
    DeletedGeneration,
    Estimate,
    Forecast,
    Generation,
    GenerationChange,
    GenerationRequest,
    RetryRequest,
    Status,
)
from services.gateway.generations.service import (
    cancel_run,
    change_parameters,
    create_run,
    get_run,
    list_runs,
    pause_run,
    resume_run,
    retry_run,
    shape_generation,
)
from services.gateway.generations.workbook_export import require_fitting_sheet, write_workbook
from services.gateway.http.contents import BYTES, events_of
from services.gateway.http.dependencies import Caller, ClaimDep, GatewayDep, NewestFirst
from services.gateway.http.download import Download
from services.gateway.http.event_stream import EventStream
from services.gateway.http.listings import ListPage
from services.gateway.http.route import NEEDS_READ, RecipeRoute, own_router
from shared.http.answers import JsonAnswer, list_body

router = own_router("generations", RecipeRoute)


@router.post("/generations", summary="Run a recipe", status_code=202, response_model=Generation)
async def create_generation(
    body: GenerationRequest, gateway: GatewayDep, caller: Caller, claim: ClaimDep
) -> JsonAnswer:
    """Record a run and return at once; workers write its stories."""
    if claim.subject_id is not None:
        run, headers = await get_run(gateway, caller, claim.subject_id), {}
    else:
        plan = await plan_run(gateway, caller, body)
        headers = await gateway.computing.run(caller.project_id, plan.build_headers)
        run = await (extend_run if body.extend else create_run)(gateway, caller, claim, plan)
    return JsonAnswer(shape_generation(*run), 202, {"location": f"/v1/generations/{run[0].id}", **headers})


@router.post("/generations/estimate", summary="Estimate a run", response_model=Estimate, openapi_extra=NEEDS_READ)
async def estimate_generation(body: GenerationRequest, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Say what a run would take in tokens, money and time. Nothing is written."""
    return JsonAnswer(await estimate_run(gateway, caller, await plan_run(gateway, caller, body)))


@router.get("/generations", summary="List runs", response_model=ListPage[Generation])
async def read_generations(
    gateway: GatewayDep, caller: Caller, page: NewestFirst, status: Status | None = None
) -> JsonAnswer:
    """Return the project's runs."""
    runs, has_more = await list_runs(gateway, caller, page, status)
    return JsonAnswer(list_body([shape_generation(*run) for run in runs], has_more=has_more))


@router.get("/generations/{generation_id}", summary="Get a run", response_model=Generation)
async def read_generation(generation_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return a run with its counts, usage and cost so far."""
    return JsonAnswer(shape_generation(*await get_run(gateway, caller, generation_id)))


@router.delete("/generations/{generation_id}", summary="Delete a run", response_model=DeletedGeneration)
async def delete_generation(generation_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Delete a run that is over, with its stories, unless a dataset was made from them. What they cost stays told."""
    return JsonAnswer(await delete_run(gateway, caller, generation_id))


@router.post("/generations/{generation_id}/cancel", summary="Cancel a run", response_model=Generation)
async def cancel_generation(generation_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """End a run: no new call within a second; calls under way are given up, what they cost is on the books."""
    return JsonAnswer(shape_generation(*await cancel_run(gateway, caller, generation_id)))


@router.post("/generations/{generation_id}/pause", summary="Pause a run", response_model=Generation)
async def pause_generation(generation_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Make no new calls until the run is resumed."""
    return JsonAnswer(shape_generation(*await pause_run(gateway, caller, generation_id)))


@router.post("/generations/{generation_id}/resume", summary="Resume a run", response_model=Generation)
async def resume_generation(generation_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Go on with a paused run."""
    return JsonAnswer(shape_generation(*await resume_run(gateway, caller, generation_id)))


@router.post(
    "/generations/{generation_id}/retry", summary="Retry a run's failed or rejected stories", response_model=Generation
)
async def retry_generation(
    generation_id: str, gateway: GatewayDep, caller: Caller, body: RetryRequest | None = None
) -> JsonAnswer:
    """Queue failed stories again in the same run, or rejected ones: all, or those of one failure class."""
    return JsonAnswer(shape_generation(*await retry_run(gateway, caller, generation_id, body or RetryRequest())))


@router.patch("/generations/{generation_id}", summary="Change a paused run's parameters", response_model=Generation)
async def change_generation(
    generation_id: str, body: GenerationChange, gateway: GatewayDep, caller: Caller
) -> JsonAnswer:
    """Change parameters for the stories that are still to be written; then resume the run."""
    return JsonAnswer(shape_generation(*await change_parameters(gateway, caller, generation_id, body.parameters)))


@router.get(
    "/generations/{generation_id}/coverage", summary="See how far a run's grid is filled", response_model=Coverage
)
async def read_coverage(
    generation_id: str,
    gateway: GatewayDep,
    caller: Caller,
    x: Annotated[str | None, Query(max_length=256, description="An attribute; the first unless given.")] = None,
    y: Annotated[str | None, Query(max_length=256, description="Another attribute.")] = None,
) -> JsonAnswer:
    """Count the stories of each pair of values of two attributes: done, failed, cut off, reviewed."""
    return JsonAnswer(await describe_coverage(gateway, caller, generation_id, x, y))


@router.get(
    "/generations/{generation_id}/cells", summary="Count the filled cells of a run's grid", response_model=FilledCells
)
async def read_cells(generation_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Count the cells that have all their stories, and all cells."""
    return JsonAnswer(await describe_cells(gateway, caller, generation_id))


@router.get("/generations/{generation_id}/forecast", summary="Forecast the rest of a run", response_model=Forecast)
async def read_forecast(generation_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Say what the stories that are left will probably take, by those that are written."""
    return JsonAnswer(await forecast_run(gateway, caller, generation_id))


@router.get(
    "/generations/{generation_id}/failures", summary="See why stories failed", response_model=ListPage[FailuresOfAClass]
)
async def read_failures(generation_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Count the failed and rejected stories by class, each with one of its messages."""
    return JsonAnswer(list_body(await list_failures(gateway, caller, generation_id), has_more=False))


@router.get(
    "/generations/{generation_id}/events",
    summary="Watch a run",
    response_class=Response,
    responses={200: {"content": events_of("RunProgress")}},
)
async def watch_generation(generation_id: str, gateway: GatewayDep, caller: Caller) -> EventStream:
    """Stream the run's object as `progress` events, at most two a second, and as `end` when it is over."""
    await get_run(gateway, caller, generation_id)
    return EventStream(gateway, caller, write_progress(gateway, caller, generation_id))


@router.get(
    "/generations/{generation_id}/export",
    summary="Export a run's stories",
    response_class=Response,
    responses={200: {"content": {kind.split(";")[0]: BYTES for kind in MEDIA_TYPES.values()}}},
)
async def export_generation(
    generation_id: str,
    gateway: GatewayDep,
    caller: Caller,
    format: Annotated[Literal["csv", "jsonl", "parquet", "xlsx"], Query()] = "csv",
    safe_for_spreadsheets: Annotated[bool, Query(description="CSV only: byte-order mark, no formulas.")] = False,
) -> Download:
    """Stream the finished stories in the run's order: the same bytes each time once the run is over."""
    run, _, version = await get_run(gateway, caller, generation_id)
    chunks: AsyncGenerator[bytes, None]
    if format == "csv":
        chunks = write_csv(gateway, run, version, safe_for_spreadsheets=safe_for_spreadsheets)
    elif format == "xlsx":
        await require_fitting_sheet(gateway, run)
        chunks = write_workbook(gateway, run, version)
    else:
        chunks = (write_jsonl if format == "jsonl" else write_parquet)(gateway, run, version)
    headers = {"content-disposition": f'attachment; filename="{run.id}.{format}"'}
    return Download(gateway, caller, chunks, media_type=MEDIA_TYPES[format], headers=headers)
