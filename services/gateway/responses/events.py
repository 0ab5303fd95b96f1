"""A response as typed events, each with its number, from its beginning or from behind a number that the client has.

Every event counts one, a delta as many as it has code points: so any reader of a response, and any catch-up, gives the
same number to the same place, however the text was cut on its way."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import orjson

from services.gateway.http.idempotency import KeyClaim
from services.gateway.interactive.follow import Broken, Followed, Piece
from services.gateway.interactive.relay import RestartedError
from services.gateway.interactive.streaming import Events, find_error
from services.gateway.interactive.texts import OpenTexts, read_rows
from services.gateway.responses.earlier_attempts import SeenBefore
from services.gateway.responses.output_items import OutputItems
from services.gateway.responses.response_object import RESTARTED, item_status, shape_begun, shape_error, shape_response
from services.gateway.wiring import Gateway
from shared.clock import unix_seconds
from shared.contracts.event_stream import format_event
from shared.http.answers import Json

FAILED: Final = "response.failed"


class EventNumbers:
    """Numbers events in their order, and leaves out what the client has."""

    def __init__(self, after: int = -1) -> None:
        self._after = after
        self._next = 0

    def go_past_seen(self) -> None:
        """Let what comes next be told, wherever it stands: the client has seen more than there is now."""
        self._next = max(self._next, self._after + 1)

    def write(self, events: Iterable[Json]) -> Iterator[bytes]:
        """Yield events as they are sent; of a delta that the client has in part, the rest."""
        for told in events:
            event = told
            is_delta = event["type"].endswith(".delta")
            self._next += len(event["delta"]) if is_delta else 1
            number = self._next - 1
            if number <= self._after:
                continue
            if is_delta and number - self._after < len(event["delta"]):
                event = {**event, "delta": event["delta"][self._after - number :]}
            body = orjson.dumps({"type": event["type"], "sequence_number": number, **event})
            yield format_event(body, name=event["type"])


def count_preamble(echo: Json) -> int:
    """Return how many events come before a response's output: created, queued in the background, in progress."""
    return 3 if echo["background"] else 2


@dataclass(frozen=True, slots=True)
class ResponseStream:
    """One telling of a response."""

    gateway: Gateway
    texts: OpenTexts
    echo: Json
    claim: KeyClaim | None = None
    after: int = -1
    """The number of the last event that the client has."""
    seen: SeenBefore = field(default_factory=SeenBefore)

    async def write(self, first: asyncio.Task[Followed | None], events: Events) -> AsyncGenerator[bytes, None]:
        """Yield the response's events. The last one holds the response as it is stored."""
        numbers, output = EventNumbers(self.after), OutputItems(self.texts.unique_part)
        try:
            for chunk in numbers.write(self._begin()):
                yield chunk
            event = await first
            for chunk in numbers.write([self._tell("response.in_progress", "in_progress")]):
                yield chunk
            while isinstance(event, Piece):
                told = list(output.take(event.text, event.extra))
                if self.seen.differs(told):
                    event = Broken(event.index, RestartedError())
                    break
                for chunk in numbers.write(told):
                    yield chunk
                event = await anext(events, None)
            if event is not None:
                ending = await self._end(event, output)
                if ending[-1]["type"] == FAILED:
                    numbers.go_past_seen()
                for chunk in numbers.write(ending):
                    yield chunk
        finally:
            first.cancel()
            await events.aclose()

    def _begin(self) -> list[Json]:
        if not self.echo["background"]:
            return [self._tell("response.created", "in_progress")]
        return [self._tell(name, "queued") for name in ("response.created", "response.queued")]

    def _tell(self, name: str, status: str) -> Json:
        texts = self.texts
        begun = shape_begun(self.echo, texts.request_id, texts.model, unix_seconds(texts.created_at), status)
        return {"type": name, "response": begun}

    async def _end(self, event: Followed, output: OutputItems) -> list[Json]:
        """Return the events of a response's end. One that came to nothing frees its key."""
        error = find_error(event)
        if error is not None and self.claim is not None:
            await self.claim.release()
        row = (await read_rows(self.gateway, self.texts.request_id))[0]
        told = shape_response(self.echo, row)
        if isinstance(event, Broken):  # of the text that the client has nothing more will come; the row may go on
            told |= {"status": "failed", "output": output.items}
        if error is not None:
            code = RESTARTED if isinstance(event, Broken) and isinstance(event.error, RestartedError) else error["code"]
            return [{"type": FAILED, "response": {**told, "error": shape_error({**error, "code": code})}}]
        ending = list(output.finish(item_status(told["status"])))
        if self.seen.differs(ending):
            return await self._end(Broken(event.index, RestartedError()), output)
        return [*ending, {"type": f"response.{told['status']}", "response": told}]
