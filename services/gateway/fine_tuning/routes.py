"""`/v1/fine_tuning/jobs…`, as OpenAI has them; metrics, changes, clone and retry are ours."""

from typing import Annotated, Any

from fastapi import Body, Header, Query, Request
from starlette.responses import Response

from services.gateway.fine_tuning.answers import JobChange, JobCheckpoint, JobEvent, StepMetrics
from services.gateway.fine_tuning.client_retries import open_client_post
from services.gateway.fine_tuning.clone_and_retry import plan_clone, plan_retry
from services.gateway.fine_tuning.events import find_end, find_position, list_events, write_events
from services.gateway.fine_tuning.openai_objects import (
    list_metrics_body,
    shape_changes,
    shape_checkpoint,
    shape_job,
)
from services.gateway.fine_tuning.schemas import FineTuningJob, JobRequest
from services.gateway.fine_tuning.service import (
    get_job,
    list_changes,
    list_checkpoints,
    list_jobs,
    list_metrics,
    order_job,
    read_metadata_filter,
    steer_job,
)
from services.gateway.http.contents import NOTHING_MORE, events_of
from services.gateway.http.dependencies import ID_PATTERN, MAX_PAGE, Caller, ClaimDep, GatewayDep, NewestFirst
from services.gateway.http.event_stream import EventStream
from services.gateway.http.listings import ListPage, ShortList
from services.gateway.http.route import keyed_router
from shared.http.answers import JsonAnswer, list_body
from shared.streams.job_events.feed import shape_event

router = keyed_router("fine-tuning")


@router.post("/fine_tuning/jobs", summary="Fine-tune a model", response_model=FineTuningJob)
async def create_job(
    body: JobRequest, request: Request, gateway: GatewayDep, caller: Caller, claim: ClaimDep
) -> JsonAnswer:
    """Record a job and return at once; workers take it to its provider and follow it."""
    if claim.subject_id is not None:
        return JsonAnswer(shape_job(await get_job(gateway, caller, claim.subject_id)))
    post = await open_client_post(gateway, caller, request)
    job = await order_job(gateway, caller, claim, body, post)
    return JsonAnswer(shape_job(await get_job(gateway, caller, job.id)))


@router.get("/fine_tuning/jobs", summary="List fine-tuning jobs", response_model=ListPage[FineTuningJob])
async def read_jobs(request: Request, gateway: GatewayDep, caller: Caller, page: NewestFirst) -> JsonAnswer:
    """Return the project's jobs; `metadata[key]=value` keeps those that carry it."""
    metadata = read_metadata_filter(request.query_params.multi_items())
    found, has_more = await list_jobs(gateway, caller, page, metadata)
    return JsonAnswer(list_body([shape_job(shown) for shown in found], has_more=has_more))


@router.get("/fine_tuning/jobs/{job_id}", summary="Get a fine-tuning job", response_model=FineTuningJob)
async def read_job(job_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return a job: how far it is, what it costs, why it stands as it does."""
    return JsonAnswer(shape_job(await get_job(gateway, caller, job_id)))


@router.post("/fine_tuning/jobs/{job_id}/cancel", summary="Cancel a fine-tuning job", response_model=FineTuningJob)
async def cancel_job(job_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """End a job; what it trained so far is paid and, where there is a checkpoint, usable."""
    return JsonAnswer(shape_job(await steer_job(gateway, caller, job_id, "cancel")))


@router.post("/fine_tuning/jobs/{job_id}/pause", summary="Pause a fine-tuning job", response_model=FineTuningJob)
async def pause_job(job_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Hold a job where it stands."""
    return JsonAnswer(shape_job(await steer_job(gateway, caller, job_id, "pause")))


@router.post("/fine_tuning/jobs/{job_id}/resume", summary="Resume a fine-tuning job", response_model=FineTuningJob)
async def resume_job(job_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Let a paused job go on."""
    return JsonAnswer(shape_job(await steer_job(gateway, caller, job_id, "resume")))


@router.post("/fine_tuning/jobs/{job_id}/clone", summary="Clone a fine-tuning job", response_model=FineTuningJob)
async def clone_job(
    job_id: str,
    gateway: GatewayDep,
    caller: Caller,
    claim: ClaimDep,
    overrides: Annotated[dict[str, Any] | None, Body()] = None,
) -> JsonAnswer:
    """Make another job like this one; the body holds the fields that are to differ, null takes one away."""
    if claim.subject_id is not None:
        return JsonAnswer(shape_job(await get_job(gateway, caller, claim.subject_id)))
    job = await order_job(gateway, caller, claim, await plan_clone(gateway, caller, job_id, overrides or {}))
    return JsonAnswer(shape_job(await get_job(gateway, caller, job.id)))


@router.post("/fine_tuning/jobs/{job_id}/retry", summary="Try a fine-tuning job again", response_model=FineTuningJob)
async def retry_job(job_id: str, gateway: GatewayDep, caller: Caller, claim: ClaimDep) -> JsonAnswer:
    """Make a failed or cancelled job anew; its metadata says `retried_from`."""
    if claim.subject_id is not None:
        return JsonAnswer(shape_job(await get_job(gateway, caller, claim.subject_id)))
    first, request = await plan_retry(gateway, caller, job_id)
    job = await order_job(gateway, caller, claim, request, is_legacy=first.is_legacy)
    return JsonAnswer(shape_job(await get_job(gateway, caller, job.id)))


@router.get(
    "/fine_tuning/jobs/{job_id}/events",
    summary="List or watch a job's events",
    response_class=Response,
    responses={200: {"model": ListPage[JobEvent], "content": events_of("JobEvent")}, **NOTHING_MORE},
)
async def read_events(
    job_id: str,
    gateway: GatewayDep,
    caller: Caller,
    page: NewestFirst,
    stream: bool = False,
    provider_events: Annotated[
        bool, Query(description="All of the provider's own events too, with their ids.")
    ] = False,
    last_event_id: Annotated[str | None, Header(pattern=ID_PATTERN)] = None,
) -> Response:
    """Return events, newest first unless asked otherwise. With `stream=true` they come as server-sent events, from the
    first or the one after `after` or `Last-Event-ID`, to the end of the job; who has seen the end gets 204. Where the
    provider tells what our own events tell (created, started, succeeded), only `provider_events` shows it."""
    if not stream:
        events, has_more = await list_events(gateway, caller, job_id, page, with_repeats=provider_events)
        told = [shape_event(event, with_provider=provider_events) for event in events]
        return JsonAnswer(list_body(told, has_more=has_more))
    after = await find_position(gateway, caller, job_id, last_event_id or page.after) or 0
    end = await find_end(gateway, job_id)
    if after and end.is_over and after >= end.last_position:
        return Response(status_code=204)
    return EventStream(gateway, caller, write_events(gateway, job_id, after, with_repeats=provider_events))


@router.get(
    "/fine_tuning/jobs/{job_id}/checkpoints", summary="List a job's checkpoints", response_model=ListPage[JobCheckpoint]
)
async def read_checkpoints(
    job_id: str,
    gateway: GatewayDep,
    caller: Caller,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 10,
    after: Annotated[str | None, Query(pattern=ID_PATTERN)] = None,
) -> JsonAnswer:
    """Return the models of a job's steps, newest first; each is usable by its name."""
    found, has_more = await list_checkpoints(gateway, caller, job_id, after, limit)
    return JsonAnswer(list_body([shape_checkpoint(checkpoint) for checkpoint in found], has_more=has_more))


@router.get("/fine_tuning/jobs/{job_id}/metrics", summary="List a job's metrics", response_model=ShortList[StepMetrics])
async def read_metrics(
    job_id: str,
    gateway: GatewayDep,
    caller: Caller,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    after_step: Annotated[int | None, Query(ge=-1, lt=2**31)] = None,
) -> JsonAnswer:
    """Return what the steps measured, in their order; the next page is `?after_step=` of the last."""
    metrics, has_more = await list_metrics(gateway, caller, job_id, after_step, limit)
    return JsonAnswer(list_metrics_body(metrics, has_more=has_more))


@router.get(
    "/fine_tuning/jobs/{job_id}/changes", summary="List a job's changes of status", response_model=ListPage[JobChange]
)
async def read_changes(job_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return every change of status, oldest first: who made it, and why."""
    return JsonAnswer(list_body(shape_changes(await list_changes(gateway, caller, job_id)), has_more=False))
