"""Answer as the texts come: OpenAI's chunks over server-sent events, for both completion routes."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

import orjson
from fastapi import Request
from starlette.responses import Response

from services.gateway.http.dependencies import get_principal
from services.gateway.http.event_stream import EventStream
from services.gateway.http.idempotency import KeyClaim
from services.gateway.interactive.failures import cancelled_error, describe_exception, failed_row_answer, plain_error
from services.gateway.interactive.follow import Broken, Finished, Followed, Piece, follow_texts
from services.gateway.interactive.texts import OpenTexts, read_rows
from services.gateway.interactive.usage import UsageSum
from services.gateway.interactive.waiting import answer_leave, leave_texts
from services.gateway.wiring import Gateway
from shared.contracts.event_stream import DONE, format_event
from shared.contracts.stream.frames import End
from shared.http.answers import Json
from shared.http.event_answer import wait_for_leave

Events = AsyncGenerator[Followed, None]
WriteEvents = Callable[[asyncio.Task[Followed | None], Events], AsyncGenerator[bytes, None]]
"""Yields an answer's events from what happens on its texts, the first of which is being waited for."""


class ChunkShape(Protocol):
    """How a route writes its chunks."""

    def opening(self, index: int) -> Json | None:
        """Return the chunk that comes before a choice's first text, if the route has one."""

    def piece(self, piece: Piece) -> Json:
        """Return the chunk of new text."""

    def finish(self, index: int, end: End) -> Json:
        """Return the last chunk of a choice."""

    def usage(self, usage: Json | None) -> Json:
        """Return the chunk of the whole request's usage; null where a provider did not count."""


async def answer_as_it_comes(
    gateway: Gateway, request: Request, claim: KeyClaim, texts: OpenTexts, shape: ChunkShape, *, include_usage: bool
) -> Response:
    """Stream the texts as a route's chunks."""

    def write(first: asyncio.Task[Followed | None], events: Events) -> AsyncGenerator[bytes, None]:
        return write_chunks(first, events, claim, shape, include_usage=include_usage)

    return await answer_with_events(gateway, request, claim, texts, write)


async def answer_with_events(
    gateway: Gateway, request: Request, claim: KeyClaim, texts: OpenTexts, write: WriteEvents
) -> Response:
    """Stream the texts as `write` spells them. A failure before the first token is an ordinary error answer with its
    status; who leaves before the end cancels them."""
    events = follow_texts(gateway.hub, texts.stream_ids)
    first = asyncio.create_task(_next(events))
    leaving = asyncio.create_task(wait_for_leave(request.receive, gateway.hold(get_principal(request))))
    await asyncio.wait(
        {first, leaving}, timeout=gateway.settings.keep_alive_seconds, return_when=asyncio.FIRST_COMPLETED
    )
    if leaving.done() and not first.done():
        first.cancel()
        await asyncio.wait({first})
        await events.aclose()
        await leave_texts(gateway, claim, texts)
        return answer_leave(leaving.result())
    leaving.cancel()
    if first.done() and (answer := await find_early_failure(gateway, texts, first.result())) is not None:
        await events.aclose()
        return answer
    return EventStream(
        gateway,
        get_principal(request),
        write(first, events),
        headers=texts.headers,
        on_disconnect=lambda: leave_texts(gateway, claim, texts),
    )


async def find_early_failure(gateway: Gateway, texts: OpenTexts, event: Followed | None) -> Response | None:
    """Return the error answer for texts whose very first event is a failure.
    Raises: what broke a stream."""
    if isinstance(event, Finished) and event.end.state != "succeeded":
        rows = await read_rows(gateway, texts.request_id)
        return failed_row_answer(next(row for row in rows if row.id == event.end.stream))
    if isinstance(event, Broken):
        raise event.error
    return None


async def write_chunks(
    first: asyncio.Task[Followed | None],
    events: Events,
    claim: KeyClaim,
    shape: ChunkShape,
    *,
    include_usage: bool,
) -> AsyncGenerator[bytes, None]:
    """Yield the events of the answer, `[DONE]` last; after a failure an error event is the last."""
    opened: set[int] = set()
    usage = UsageSum()
    try:
        event = await first
        while event is not None:
            if event.index not in opened:
                opened.add(event.index)
                if (opening := shape.opening(event.index)) is not None:
                    yield write_event(opening)
            if (error := find_error(event)) is not None:
                await claim.release()
                yield write_event({"error": error})
                return
            if isinstance(event, Finished):
                usage.add(event.end.usage)
                yield write_event(shape.finish(event.index, event.end))
            elif isinstance(event, Piece):
                yield write_event(shape.piece(event))
            event = await _next(events)
    finally:
        first.cancel()
        await events.aclose()
    if include_usage:
        yield write_event(shape.usage(usage.body()))
    yield DONE


def find_error(event: Followed) -> Json | None:
    """Return the inner error object if a choice came to nothing."""
    if isinstance(event, Broken):
        return describe_exception(event.error)
    if isinstance(event, Finished) and event.end.state == "cancelled":
        return cancelled_error()
    if isinstance(event, Finished) and event.end.state != "succeeded":
        return event.end.error or plain_error("The text could not be written.")
    return None


def write_event(chunk: Json) -> bytes:
    """Return a chunk as an event."""
    return format_event(orjson.dumps(chunk))


async def _next(events: Events) -> Followed | None:
    return await anext(events, None)
