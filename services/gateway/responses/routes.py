"""`/v1/responses…`."""

import asyncio
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from services.gateway.http.contents import events_of
from services.gateway.http.dependencies import Caller, ClaimDep, GatewayDep, NewestFirst
from services.gateway.http.event_stream import EventStream
from services.gateway.http.listings import ListPage
from services.gateway.http.route import keyed_router
from services.gateway.interactive.follow import follow_texts
from services.gateway.interactive.streaming import answer_with_events
from services.gateway.interactive.texts import find_texts, read_rows
from services.gateway.interactive.waiting import answer_when_done
from services.gateway.responses.answers import DeletedResponse, InputItem, ResponseObject
from services.gateway.responses.earlier_attempts import find_seen_before
from services.gateway.responses.events import ResponseStream, count_preamble
from services.gateway.responses.response_object import echo_request, shape_response
from services.gateway.responses.schemas import ResponseRequest
from services.gateway.responses.service import (
    cancel_response,
    forget_response,
    get_response,
    list_input,
    open_response,
)
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.http.answers import JsonAnswer, list_body

router = keyed_router("responses")

ANSWERS: dict[int | str, dict[str, Any]] = {200: {"model": ResponseObject, "content": events_of("ResponseEvent")}}

Included = Annotated[list[str] | None, Query(description="What there is is told, whatever is included.")]
IncludedToo = Annotated[list[str] | None, Query(alias="include[]", include_in_schema=False)]
"""The same, as OpenAI's clients spell it."""


@router.post("/responses", summary="Write a response", response_class=Response, responses=ANSWERS)
async def create_response(
    body: ResponseRequest, request: Request, gateway: GatewayDep, caller: Caller, claim: ClaimDep
) -> Response:
    """Write a response: whole, as it comes (`stream`), or while nobody waits (`background`)."""
    texts = await open_response(gateway, caller, claim, body)
    echo = echo_request(body)
    if body.stream:
        stream = ResponseStream(gateway, texts, echo, claim)
        if body.background:
            return tell_events(gateway, caller, stream)
        return await answer_with_events(gateway, request, claim, texts, stream.write)
    if body.background:
        row = (await read_rows(gateway, texts.request_id))[0]
        return JsonAnswer(shape_response(echo, row), headers=texts.headers)
    return await answer_when_done(gateway, request, claim, texts, lambda _, rows: shape_response(echo, rows[0]))


@router.get("/responses/{response_id}", summary="Get a response", response_class=Response, responses=ANSWERS)
async def read_response(
    response_id: str,
    gateway: GatewayDep,
    caller: Caller,
    stream: Annotated[bool, Query(description="Tell it as events.")] = False,
    starting_after: Annotated[
        int, Query(ge=-1, le=2**53, description="With `stream`: the `sequence_number` after which to go on.")
    ] = -1,
    include: Included = None,
    include_too: IncludedToo = None,
    include_obfuscation: bool = False,
) -> Response:
    """Return a stored response as it stands, or its events from any of them on, while it is written and afterwards."""
    response, completion = await get_response(gateway, caller, response_id)
    if not stream:
        return JsonAnswer(shape_response(response.request, completion))
    texts = await find_texts(gateway, completion.request_id)
    echo = response.request
    seen_units = starting_after + 1 - count_preamble(echo)
    seen = await find_seen_before(gateway, completion.id, completion.attempt, texts.unique_part, seen_units)
    return tell_events(gateway, caller, ResponseStream(gateway, texts, echo, after=starting_after, seen=seen))


@router.delete("/responses/{response_id}", summary="Delete a response", response_model=DeletedResponse)
async def remove_response(response_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Forget a response with its input; one that is being written is cancelled first."""
    await forget_response(gateway, caller, response_id)
    return JsonAnswer({"id": response_id, "object": "response", "deleted": True})


@router.post("/responses/{response_id}/cancel", summary="Cancel a background response", response_model=ResponseObject)
async def stop_response(response_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Ask for the end of a background response; the text so far is kept."""
    response, completion = await cancel_response(gateway, caller, response_id)
    return JsonAnswer(shape_response(response.request, completion))


@router.get(
    "/responses/{response_id}/input_items", summary="List a response's input", response_model=ListPage[InputItem]
)
async def read_input_items(
    response_id: str,
    gateway: GatewayDep,
    caller: Caller,
    page: NewestFirst,
    include: Included = None,
    include_too: IncludedToo = None,
) -> JsonAnswer:
    """Return what the response was asked with; what it goes on from stands in the responses before it."""
    items, has_more = await list_input(gateway, caller, response_id, page)
    return JsonAnswer(list_body(items, has_more=has_more))


def tell_events(gateway: Gateway, caller: Principal, stream: ResponseStream) -> EventStream:
    """Answer with a response's events; who leaves may come back for the rest."""
    events = follow_texts(gateway.hub, stream.texts.stream_ids)
    first = asyncio.create_task(anext(events, None))
    return EventStream(gateway, caller, stream.write(first, events), headers=stream.texts.headers)
