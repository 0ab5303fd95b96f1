"""The frames of protocol storymill.v1: typed, and as the JSON that travels.

In Redis a frame carries a header, `attempt|first|last|`, so that a hub routes it and drops what it has
without reading the JSON. Knows nothing of sockets or Redis.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from shared.contracts.storable import encode_storable_json
from shared.contracts.stream.cursor import Cursor
from shared.contracts.stream.errors import InvalidCursorError, InvalidFrameError
from shared.contracts.stream.placed import Json, Placed, place_all, read_placed, write_placed


@dataclass(frozen=True, slots=True)
class Delta:
    """Text that continues the stream. Covers the sequence numbers `first..cursor`; `offset` counts the code
    points before it. `extra` holds raw choice deltas without text (tool calls, log probabilities), `extra_at` their
    places in the stream's text, so that their order is the provider's for viewers that lag, too."""

    stream: str
    first: Cursor
    cursor: Cursor
    offset: int
    text: str
    extra: tuple[Json, ...] = ()
    extra_at: tuple[int, ...] = ()

    @property
    def beside(self) -> tuple[Placed, ...]:
        """What stands beside the text, each with its place."""
        return place_all(self.extra, self.extra_at, self.offset + len(self.text))

    def to_wire(self) -> Json:
        """Return the JSON object."""
        wire: Json = {
            "t": "d",
            "stream": self.stream,
            "c0": str(self.first),
            "c": str(self.cursor),
            "o": self.offset,
            "x": self.text,
        }
        return write_placed(wire, self.extra, self.extra_at)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole text up to `cursor`; replaces what the viewer has."""

    stream: str
    cursor: Cursor
    text: str
    extra: tuple[Json, ...] = ()
    extra_at: tuple[int, ...] = ()

    @property
    def beside(self) -> tuple[Placed, ...]:
        """What stands beside the text, each with its place."""
        return place_all(self.extra, self.extra_at, len(self.text))

    def to_wire(self) -> Json:
        """Return the JSON object."""
        wire: Json = {"t": "n", "stream": self.stream, "c": str(self.cursor), "text": self.text}
        return write_placed(wire, self.extra, self.extra_at)


@dataclass(frozen=True, slots=True)
class Rewind:
    """A new attempt begins: truncate the text to `offset` code points."""

    stream: str
    cursor: Cursor
    offset: int
    why: str | None = None

    def to_wire(self) -> Json:
        """Return the JSON object."""
        return {"t": "r", "stream": self.stream, "c": str(self.cursor), "o": self.offset, "why": self.why}


@dataclass(frozen=True, slots=True)
class State:
    """What is going on: queued, running, stalled or finalizing. Has no cursor and is not kept."""

    stream: str
    state: str
    position: int | None = None

    def to_wire(self) -> Json:
        """Return the JSON object."""
        wire: Json = {"t": "st", "stream": self.stream, "state": self.state}
        return wire if self.position is None else {**wire, "pos": self.position}


@dataclass(frozen=True, slots=True)
class End:
    """The last frame, sent after the commit. `chars` counts code points; `sha256` is of the stored text in UTF-8;
    `error` is OpenAI's inner error object; `told` is what the provider's answer said of itself (`system_fingerprint`,
    `service_tier`)."""

    stream: str
    cursor: Cursor
    state: str
    chars: int
    sha256: str
    usage: Json | None = None
    finish_reason: str | None = None
    error: Json | None = None
    told: Json | None = None

    def to_wire(self) -> Json:
        """Return the JSON object."""
        wire: Json = {
            "t": "end",
            "stream": self.stream,
            "c": str(self.cursor),
            "state": self.state,
            "chars": self.chars,
            "sha256": self.sha256,
            "usage": self.usage,
            "finish_reason": self.finish_reason,
            "error": self.error,
        }
        return {**wire, "told": self.told} if self.told else wire


CursorFrame = Delta | Snapshot | Rewind | End
Frame = CursorFrame | State


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame on a socket: protocol version, connection id, seconds between heartbeats, limits."""

    connection: str
    heartbeat_seconds: float
    max_subscriptions: int
    version: str = "storymill.v1"

    def to_wire(self) -> Json:
        """Return the JSON object."""
        return {
            "t": "hello",
            "v": self.version,
            "conn": self.connection,
            "hb": self.heartbeat_seconds,
            "max_subs": self.max_subscriptions,
        }


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The answer to `sub`. `top` is where the stream stood; `mode` says what comes next: `delta` (from the
    viewer's cursor), `snapshot` or `live` (from `top`, without what came before)."""

    id: str | int | None
    stream: str
    state: str
    top: Cursor
    mode: str

    def to_wire(self) -> Json:
        """Return the JSON object."""
        return {
            "t": "subd",
            "id": self.id,
            "stream": self.stream,
            "state": self.state,
            "top": str(self.top),
            "mode": self.mode,
        }


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sent when a socket was quiet. `tops` maps each subscribed stream to its last cursor."""

    unix_seconds: float
    tops: Mapping[str, Cursor]

    def to_wire(self) -> Json:
        """Return the JSON object."""
        return {"t": "hb", "ts": self.unix_seconds, "tops": {stream: str(top) for stream, top in self.tops.items()}}


@dataclass(frozen=True, slots=True)
class ErrorFrame:
    """A client frame could not be carried out; the socket stays open. `error` is OpenAI's inner error object."""

    id: str | int | None
    error: Mapping[str, Any]

    def to_wire(self) -> Json:
        """Return the JSON object."""
        return {"t": "err", "id": self.id, "error": dict(self.error)}


@dataclass(frozen=True, slots=True)
class GoAway:
    """The server stops: it closes with 1012 in `in_ms` milliseconds. Come back then, with the cursors."""

    in_ms: int

    def to_wire(self) -> Json:
        """Return the JSON object."""
        return {"t": "goaway", "in_ms": self.in_ms}


ServerFrame = Frame | Hello | Subscribed | Heartbeat | ErrorFrame | GoAway


def encode(frame: ServerFrame) -> bytes:
    """Return the frame's JSON."""
    try:
        return orjson.dumps(frame.to_wire())
    except TypeError:  # nested too deeply for an encoder: one such frame would hold up every stream of its process
        return encode_storable_json(frame.to_wire())


def encode_with_header(frame: Frame, *, first_seq: int = 0) -> bytes:
    """Return the form that travels in Redis. `first_seq` overrides where a snapshot or rewind begins (1)."""
    if isinstance(frame, State):
        return b"0|0|0|" + encode(frame)
    cursor = frame.cursor
    first = first_seq or _first_seq(frame)
    return b"%d|%d|%d|" % (cursor.attempt, first, cursor.seq) + encode(frame)


def _first_seq(frame: CursorFrame) -> int:
    match frame:
        case Delta():
            return frame.first.seq
        case End():
            return frame.cursor.seq
        case Snapshot() | Rewind():
            return 1


@dataclass(frozen=True, slots=True)
class Header:
    """What a frame in Redis covers: sequence numbers `first..last` of an attempt; all 0 for a state."""

    attempt: int
    first_seq: int
    last_seq: int

    @property
    def cursor(self) -> Cursor:
        """The cursor that the frame leads to."""
        return Cursor(self.attempt, self.last_seq)


def split_header(payload: bytes) -> tuple[Header, bytes]:
    """Return a payload's header and its JSON, unread. Raises: InvalidFrameError when it is no worker's."""
    parts = payload.split(b"|", 3)
    try:
        attempt, first_seq, last_seq = (int(part) for part in parts[:3])
        return Header(attempt, first_seq, last_seq), parts[3]
    except (ValueError, IndexError) as error:
        raise InvalidFrameError(f"not a frame: {payload[:60]!r}") from error


def decode(json_bytes: bytes) -> Frame:
    """Read a frame that a worker wrote. Raises: InvalidFrameError when no worker of ours has written it."""
    try:
        wire = orjson.loads(json_bytes)
        return _READERS[wire["t"]](wire)
    except (orjson.JSONDecodeError, KeyError, TypeError, InvalidCursorError) as error:
        raise InvalidFrameError(f"not a frame: {json_bytes[:60]!r}") from error


def _read_delta(wire: Json) -> Frame:
    first, cursor = Cursor.parse(wire["c0"]), Cursor.parse(wire["c"])
    return Delta(wire["stream"], first, cursor, wire["o"], wire["x"], *read_placed(wire))


def _read_snapshot(wire: Json) -> Frame:
    return Snapshot(wire["stream"], Cursor.parse(wire["c"]), wire["text"], *read_placed(wire))


def _read_rewind(wire: Json) -> Frame:
    return Rewind(wire["stream"], Cursor.parse(wire["c"]), wire["o"], wire.get("why"))


def _read_state(wire: Json) -> Frame:
    return State(wire["stream"], wire["state"], wire.get("pos"))


def _read_end(wire: Json) -> Frame:
    told = (wire.get(name) for name in ("usage", "finish_reason", "error", "told"))
    return End(wire["stream"], Cursor.parse(wire["c"]), wire["state"], wire["chars"], wire["sha256"], *told)


_READERS = {"d": _read_delta, "n": _read_snapshot, "r": _read_rewind, "st": _read_state, "end": _read_end}
