"""The route of the event stream: credentials, cursor, then `ViewerEvents`."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from services.streaming.access import identify_viewer
from services.streaming.event_streams.viewer_events import ViewerEvents
from services.streaming.wiring import Streaming
from shared.contracts.stream.cursor import NOWHERE, START, Cursor
from shared.contracts.stream.errors import InvalidCursorError
from shared.errors import PermissionDeniedError
from shared.http.cross_origin import is_allowed_origin

router = APIRouter(tags=["streams"])


@router.get("/v1/streams/{stream_id}", summary="Watch a stream as server-sent events", response_class=Response)
async def watch_stream(
    request: Request,
    stream_id: str,
    authorization: Annotated[str | None, Header()] = None,
    last_event_id: Annotated[str | None, Header()] = None,
    after: Annotated[str | None, Query(description="Cursor to go on from.")] = None,
    starting_after: Annotated[str | None, Query(description="The same, by OpenAI's name.")] = None,
    ticket: Annotated[str | None, Query(description="For browsers: opens this stream, again too.")] = None,
) -> Response:
    """Send `delta`, `snapshot`, `rewind`, `state` and, last, `end` events. 204 when the stream is over and the
    cursor stands at its end. A cursor that cannot be read gets a snapshot, not a replay."""
    streaming: Streaming = request.app.state.streaming
    origin = request.headers.get("origin")
    if not is_allowed_origin(origin, request.headers.get("host"), streaming.settings.origin_list):
        raise PermissionDeniedError(f"Pages of {origin} may not connect.")
    principal, stored = await identify_viewer(streaming, request.scope, authorization, ticket, stream_id)
    cursor = read_cursor(last_event_id or after or starting_after)
    if stored.is_final and cursor == stored.to_end().cursor:
        return Response(status_code=204, headers=allow_origin(origin))
    viewer = await streaming.hub.attach(stream_id, cursor, stored=stored)
    return ViewerEvents(viewer, streaming.clients, partial(streaming.keys.watching, principal), allow_origin(origin))


def read_cursor(text: str | None) -> Cursor:
    """Return where to go on; NOWHERE for what is no cursor."""
    if text is None:
        return START
    try:
        return Cursor.parse(text)
    except InvalidCursorError:
        return NOWHERE


def allow_origin(origin: str | None) -> dict[str, str]:
    """Return the header that lets an allowed page read the answer."""
    return {} if origin is None else {"access-control-allow-origin": origin, "vary": "origin"}
