"""What clients may send, read and checked. Two kinds of fault: a frame that cannot be carried out gets an `err`
frame; one that is no frame of this protocol closes the socket."""

from dataclasses import dataclass
from typing import Any

import orjson

from shared.contracts.stream.cursor import NOWHERE, START, Cursor
from shared.contracts.stream.errors import InvalidCursorError
from shared.errors import InvalidRequestError

LONGEST_ID = 64

FrameId = str | int | None


class ProtocolError(Exception):
    """The message is no frame of storymill.v1: close with 4009."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Watch a stream after a cursor. `after` is NOWHERE for a cursor that cannot be read: it gets a snapshot."""

    id: FrameId
    stream: str
    after: Cursor
    live_only: bool


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Stop watching, named by the subscription's id or by the stream."""

    id: FrameId
    stream: str | None


@dataclass(frozen=True, slots=True)
class CancelStream:
    """End a stream."""

    id: FrameId
    stream: str


@dataclass(frozen=True, slots=True)
class StartStream:
    """Create a stream from a completions or chat body, and watch it."""

    id: FrameId
    request: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Show a ticket."""

    ticket: str


@dataclass(frozen=True, slots=True)
class Pong:
    """Still there."""


ClientFrame = Subscribe | Unsubscribe | CancelStream | StartStream | Authenticate | Pong


def read_json(text: str) -> dict[str, Any]:
    """Return a message's JSON object. Raises: ProtocolError for what is no JSON, or no object with a `t`."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ProtocolError("not JSON") from error
    if not isinstance(value, dict) or not isinstance(value.get("t"), str):
        raise ProtocolError("not an object with a 't'")
    return value


def read_id(wire: dict[str, Any]) -> FrameId:
    """Return the client's own name for a frame. Raises: ProtocolError for one that is neither a short string nor a
    number."""
    frame_id = wire.get("id")
    is_id = frame_id is None or (isinstance(frame_id, str) and len(frame_id) <= LONGEST_ID)
    if isinstance(frame_id, bool) or not (is_id or isinstance(frame_id, int)):
        raise ProtocolError("'id' must be a short string or a number")
    return frame_id


def read_client_frame(wire: dict[str, Any]) -> ClientFrame:
    """Read a frame. Raises: ProtocolError for an unknown kind, InvalidRequestError for bad fields."""
    frame_id = read_id(wire)
    match wire["t"]:
        case "sub":
            after, live_only = _read_from(wire.get("from"))
            return Subscribe(frame_id, _read_text(wire, "stream"), after, live_only)
        case "unsub":
            return Unsubscribe(frame_id, _read_text(wire, "stream") if "stream" in wire else None)
        case "cancel":
            return CancelStream(frame_id, _read_text(wire, "stream"))
        case "start":
            return StartStream(frame_id, _read_request(wire))
        case "auth":
            return Authenticate(_read_text(wire, "ticket"))
        case "pong":
            return Pong()
    raise ProtocolError(f"unknown frame '{wire['t'][:20]}'")


def _read_from(value: object) -> tuple[Cursor, bool]:
    if value is None:
        return START, False
    if value == "live":
        return START, True
    try:
        return Cursor.parse(value) if isinstance(value, str) else NOWHERE, False
    except InvalidCursorError:
        return NOWHERE, False


def _read_text(wire: dict[str, Any], name: str) -> str:
    value = wire.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidRequestError(f"'{name}' must be a string.", param=name)
    return value


def _read_request(wire: dict[str, Any]) -> dict[str, Any]:
    value = wire.get("request")
    if not isinstance(value, dict):
        raise InvalidRequestError("'request' must be the body of a completion or a chat completion.", param="request")
    return value
