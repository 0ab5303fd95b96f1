"""`/v1/fine-tunes…`, as the client of 2023 calls them."""

from starlette.responses import Response

from services.gateway.fine_tuning.service import order_job, steer_job
from services.gateway.http.contents import events_of
from services.gateway.http.dependencies import Caller, ClaimDep, GatewayDep
from services.gateway.http.event_stream import EventStream
from services.gateway.http.listings import WholeList
from services.gateway.http.route import keyed_router
from services.gateway.legacy_fine_tunes.answers import DeletedFineTune, FineTune, FineTuneEvent
from services.gateway.legacy_fine_tunes.events import read_legacy_events, write_legacy_events
from services.gateway.legacy_fine_tunes.schemas import FineTuneRequest
from services.gateway.legacy_fine_tunes.service import delete_fine_tune, get_fine_tune, list_fine_tunes, shape_fine_tune
from shared.http.answers import JsonAnswer

router = keyed_router("legacy")


@router.post("/fine-tunes", summary="Fine-tune a model (legacy route)", response_model=FineTune)
async def create_fine_tune(body: FineTuneRequest, gateway: GatewayDep, caller: Caller, claim: ClaimDep) -> JsonAnswer:
    """Make a job; its model gets a name of that time."""
    if claim.subject_id is not None:
        job = await get_fine_tune(gateway, caller, claim.subject_id)
    else:
        job = await order_job(gateway, caller, claim, body.modernise(), is_legacy=True)
    events = await read_legacy_events(gateway, job)
    return JsonAnswer({**await shape_fine_tune(gateway, job), "events": events})


@router.get("/fine-tunes", summary="List fine-tunes (legacy route)", response_model=WholeList[FineTune])
async def read_fine_tunes(gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return the project's jobs, also those of the current routes."""
    return JsonAnswer({"object": "list", "data": await list_fine_tunes(gateway, caller)})


@router.get("/fine-tunes/{fine_tune_id}", summary="Get a fine-tune (legacy route)", response_model=FineTune)
async def read_fine_tune(fine_tune_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return a job with its events."""
    job = await get_fine_tune(gateway, caller, fine_tune_id)
    events = await read_legacy_events(gateway, job)
    return JsonAnswer({**await shape_fine_tune(gateway, job), "events": events})


@router.get(
    "/fine-tunes/{fine_tune_id}/events",
    summary="List or watch a fine-tune's events (legacy route)",
    response_class=Response,
    responses={200: {"model": WholeList[FineTuneEvent], "content": events_of("FineTuneEvent")}},
)
async def read_fine_tune_events(
    fine_tune_id: str, gateway: GatewayDep, caller: Caller, stream: bool = False
) -> Response:
    """Return all events; with `stream=true` as they come, from the first on, until the job is over."""
    job = await get_fine_tune(gateway, caller, fine_tune_id)
    if stream:
        return EventStream(gateway, caller, write_legacy_events(gateway, job))
    return JsonAnswer({"object": "list", "data": await read_legacy_events(gateway, job)})


@router.post("/fine-tunes/{fine_tune_id}/cancel", summary="Cancel a fine-tune (legacy route)", response_model=FineTune)
async def cancel_fine_tune(fine_tune_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """End a job."""
    job = await get_fine_tune(gateway, caller, fine_tune_id)
    shown = await steer_job(gateway, caller, job.id, "cancel")
    events = await read_legacy_events(gateway, shown.job)
    return JsonAnswer({**await shape_fine_tune(gateway, shown.job), "events": events})


@router.delete(
    "/fine-tunes/{fine_tune_id}", summary="Delete a fine-tune (legacy route)", response_model=DeletedFineTune
)
async def remove_fine_tune(fine_tune_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Hide a fine-tune that is over. Its model is deleted by `DELETE /v1/models/{model}`."""
    return JsonAnswer(await delete_fine_tune(gateway, caller, fine_tune_id))
