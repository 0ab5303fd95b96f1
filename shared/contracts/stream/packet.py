"""What one viewer is sent at one moment, encoded once for all viewers who stand at the same cursor."""

from collections.abc import Sequence

from shared.contracts.event_stream import format_event
from shared.contracts.stream.frames import Delta, End, Frame, Rewind, Snapshot, encode

SSE_EVENTS: dict[type, str] = {Delta: "delta", Snapshot: "snapshot", Rewind: "rewind", End: "end"}


class Packet:
    """Frames that follow one another, with their JSON and event-stream forms made when first asked for."""

    __slots__ = ("_event_stream", "_json", "frames", "socket_message")

    def __init__(self, frames: Sequence[Frame], raw_json: bytes | None = None) -> None:
        self.frames = tuple(frames)
        self.socket_message: bytes | None = None
        """Room for a socket server to keep its own encoding; None until then."""
        self._json = raw_json
        self._event_stream: bytes | None = None

    @property
    def json(self) -> bytes:
        """The frames as JSON objects with commas between: one alone is a message, several go into `[...]`."""
        if self._json is None:
            self._json = b",".join([encode(frame) for frame in self.frames])
        return self._json

    @property
    def event_stream(self) -> bytes:
        """The frames as server-sent events."""
        if self._event_stream is None:
            self._event_stream = b"".join([encode_event(frame) for frame in self.frames])
        return self._event_stream


def encode_event(frame: Frame) -> bytes:
    """Return a frame as one server-sent event; frames with a cursor carry it as the event's id."""
    name = SSE_EVENTS.get(type(frame), "state")
    cursor = getattr(frame, "cursor", None)
    return format_event(encode(frame), name=name, event_id=None if cursor is None else str(cursor))
