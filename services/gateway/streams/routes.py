"""`/v1/streams…` and `/v1/tickets`."""

from services.gateway.http.dependencies import Caller, ClaimDep, GatewayDep
from services.gateway.http.route import NEEDS_READ, own_router
from services.gateway.streams.schemas import Stream, StreamRequest, Ticket
from services.gateway.streams.service import cancel_stream, get_stream, shape_stream, start_stream
from shared.auth.tickets import TICKET_SECONDS, issue_ticket
from shared.http.answers import JsonAnswer

router = own_router("streams")


@router.post("/streams", summary="Start a stream", status_code=202, response_model=Stream)
async def create_stream(body: StreamRequest, gateway: GatewayDep, caller: Caller, claim: ClaimDep) -> JsonAnswer:
    """Start one text and return at once; watch it on the streaming service at `ws_url` or `sse_url`."""
    row, texts = await start_stream(gateway, caller, claim, body)
    headers = {"location": f"/v1/streams/{row.id}", **texts.headers}
    return JsonAnswer(shape_stream(row, gateway.settings.streaming_url), 202, headers)


@router.get("/streams/{stream_id}", summary="Get a stream", response_model=Stream)
async def read_stream(stream_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return a stream as stored: its text is whole once the status is final, and up to 2 s old before."""
    return JsonAnswer(shape_stream(await get_stream(gateway, caller, stream_id), gateway.settings.streaming_url))


@router.post("/streams/{stream_id}/cancel", summary="Cancel a stream", response_model=Stream)
async def stop_stream(stream_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Ask for the end of a stream; the text so far is kept. Its status changes when the worker has stopped."""
    return JsonAnswer(shape_stream(await cancel_stream(gateway, caller, stream_id), gateway.settings.streaming_url))


@router.post(
    "/tickets", summary="Get a ticket for a browser", status_code=201, response_model=Ticket, openapi_extra=NEEDS_READ
)
async def create_ticket(gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return a ticket that opens the streaming service once, within 30 s, with this key's rights."""
    ticket = await issue_ticket(gateway.redis, caller)
    body = {"object": "ticket", "ticket": ticket, "expires_in": TICKET_SECONDS}
    return JsonAnswer(body, 201, {"cache-control": "no-store"})
