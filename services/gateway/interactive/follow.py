"""Follow several streams at once as one sequence of events, for answers in OpenAI's shapes."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from services.gateway.interactive.relay import Relay
from shared.contracts.stream.frames import End
from shared.streams.hub import StreamHub

WAITING_EVENTS = 64
"""Events held for a slow client; beyond that the viewers wait, and the hub gives them the rest in one piece."""


@dataclass(frozen=True, slots=True)
class Piece:
    """New text, raw fields of a choice delta, or log probabilities with their text, of one choice."""

    index: int
    text: str
    extra: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A choice is over; its row is committed."""

    index: int
    end: End


@dataclass(frozen=True, slots=True)
class Broken:
    """A choice cannot be followed any further."""

    index: int
    error: Exception


Followed = Piece | Finished | Broken


async def follow_texts(hub: StreamHub, stream_ids: Sequence[str]) -> AsyncGenerator[Followed, None]:
    """Yield what happens on the streams until each has finished or broken."""
    events: asyncio.Queue[Followed] = asyncio.Queue(WAITING_EVENTS)
    pumps = [
        asyncio.create_task(_pump(hub, stream_id, index, events), name=f"follow-{stream_id}")
        for index, stream_id in enumerate(stream_ids)
    ]
    still_open = len(pumps)
    try:
        while still_open:
            event = await events.get()
            still_open -= not isinstance(event, Piece)
            yield event
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


async def wait_for_ends(hub: StreamHub, stream_ids: Sequence[str]) -> None:
    """Return when every stream has ended. Raises: ConnectionError when the hub stops first."""
    await asyncio.gather(*(_wait_for_end(hub, stream_id) for stream_id in stream_ids))


async def _wait_for_end(hub: StreamHub, stream_id: str) -> None:
    viewer = await hub.attach(stream_id)
    try:
        async for frame in viewer:
            if isinstance(frame, End):
                return
    finally:
        viewer.close()
    raise ConnectionError(f"the stream {stream_id} closed without an end")


async def _pump(hub: StreamHub, stream_id: str, index: int, events: asyncio.Queue[Followed]) -> None:
    """Put the events of one stream into the queue; always a last one."""
    try:
        await _pump_frames(hub, stream_id, index, events)
    except Exception as error:  # whatever it is, the client must hear of it
        await events.put(Broken(index, error))


async def _pump_frames(hub: StreamHub, stream_id: str, index: int, events: asyncio.Queue[Followed]) -> None:
    relay = Relay()
    viewer = await hub.attach(stream_id)
    try:
        async for frame in viewer:
            if isinstance(frame, End):
                await events.put(Finished(index, frame))
                return
            for text, extra in relay.take(frame):
                await events.put(Piece(index, text, extra))
    finally:
        viewer.close()
    raise ConnectionError(f"the stream {stream_id} closed without an end")
