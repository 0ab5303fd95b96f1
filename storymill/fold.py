"""The client's side of protocol storymill.v1: frames in, text out, the same text for any drops and reconnects.

For every client, ours and others': imports nothing but the standard library. `storymill/fold.py` is the same file.
"""

import hashlib
from typing import Any

Position = tuple[int, int]
START: Position = (0, 0)


class Fold:
    """Folds the frames of one stream. Feed each JSON object to `apply`; read `text`, `cursor` and the flags.

    After a reconnect subscribe from `cursor`, and go on with the same object. On an event stream, which has no
    `subd`, call `reconnected()` first."""

    def __init__(self, stream: str | None = None) -> None:
        self.stream = stream
        self.state = "queued"
        self.end: dict[str, Any] | None = None
        """The end frame, once it has come."""
        self.needs_resubscribe = False
        """A frame is missing: subscribe again from `cursor`."""
        self.needs_row = False
        """The text does not match the end's hash: fetch it by REST (`GET /v1/streams/{id}` on the gateway)."""
        self.is_partial = False
        """Joined live: the text lacks its beginning."""
        self.beside: list[dict[str, Any]] = []
        """What came beside the text, in order: each a raw choice `delta` (reasoning, a piece of a tool call, log
        probabilities), and `at`, the code points of the text before it."""
        self._position = START
        self._parts: list[str] = []
        self._chars = 0
        self._takes_any_snapshot = False

    @property
    def text(self) -> str:
        """The text so far."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    @property
    def cursor(self) -> str:
        """Where to subscribe from."""
        return f"{self._position[0]}-{self._position[1]}"

    @property
    def ended(self) -> bool:
        """Say whether the stream is over."""
        return self.end is not None

    def reconnected(self) -> None:
        """Note a new connection: what was missing will come, and a snapshot is welcome whatever its cursor."""
        self.needs_resubscribe = False
        self._takes_any_snapshot = True

    def apply(self, frame: dict[str, Any]) -> None:
        """Fold one frame. Frames of other streams, unknown frames and repeated ones change nothing."""
        if self.stream is not None and frame.get("stream", self.stream) != self.stream:
            return
        fold = _FOLDS.get(frame.get("t", ""))
        if fold is not None and not self.ended:
            fold(self, frame)

    def _apply_subscribed(self, frame: dict[str, Any]) -> None:
        self.needs_resubscribe = False
        self._takes_any_snapshot = frame["mode"] == "snapshot"
        self.state = frame["state"]
        if frame["mode"] == "live":
            self._position = _parse(frame["top"])
            self.is_partial = True
            self._replace("", [])

    def _apply_snapshot(self, frame: dict[str, Any]) -> None:
        position = _parse(frame["c"])
        if position <= self._position and not self._takes_any_snapshot:
            return
        self._takes_any_snapshot = False
        self.needs_resubscribe = False
        self.is_partial = False
        self._position = position
        self._replace(frame["text"], _read_beside(frame, len(frame["text"])))

    def _apply_delta(self, frame: dict[str, Any]) -> None:
        position, first = _parse(frame["c"]), _parse(frame["c0"])
        if position <= self._position:
            return
        if not self._is_followed_by(first) or (frame["o"] != self._chars and not self.is_partial):
            self.needs_resubscribe = True
            return
        self._takes_any_snapshot = False
        self._position = position
        self._parts.append(frame["x"])
        self._chars += len(frame["x"])
        self.beside += _read_beside(frame, frame["o"] + len(frame["x"]))

    def _apply_rewind(self, frame: dict[str, Any]) -> None:
        position = _parse(frame["c"])
        if position <= self._position:
            return
        if position[1] != 1 or position[0] == self._position[0]:
            self.needs_resubscribe = True
            return
        self._position = position
        self.is_partial = self.is_partial and frame["o"] > 0
        self._replace(self.text[: frame["o"]], [piece for piece in self.beside if piece["at"] < frame["o"]])

    def _apply_state(self, frame: dict[str, Any]) -> None:
        self.state = frame["state"]

    def _apply_end(self, frame: dict[str, Any]) -> None:
        position = _parse(frame["c"])
        if position <= self._position:
            return
        if not self._is_followed_by(position):
            self.needs_resubscribe = True
            return
        self._position = position
        self.end = frame
        self.state = frame["state"]
        self.needs_resubscribe = False
        digest = hashlib.sha256(self.text.encode()).hexdigest()
        self.needs_row = self.is_partial or digest != frame["sha256"]

    def _apply_heartbeat(self, frame: dict[str, Any]) -> None:
        top = frame["tops"].get(self.stream)
        if top is not None and _parse(top) > self._position:
            self.needs_resubscribe = True

    def _is_followed_by(self, first: Position) -> bool:
        if self._position == START:
            return first in {(0, 1), (1, 1)}
        return first == (self._position[0], self._position[1] + 1)

    def _replace(self, text: str, beside: list[dict[str, Any]]) -> None:
        self._parts = [text] if text else []
        self._chars = len(text)
        self.beside = beside


def _parse(cursor: str) -> Position:
    attempt, _, seq = cursor.partition("-")
    return int(attempt), int(seq)


def _read_beside(frame: dict[str, Any], end: int) -> list[dict[str, Any]]:
    deltas = frame.get("e", [])
    places = frame.get("eo", [end] * len(deltas))
    return [{"at": at, "delta": delta} for at, delta in zip(places, deltas, strict=False)]


_FOLDS = {
    "subd": Fold._apply_subscribed,
    "n": Fold._apply_snapshot,
    "d": Fold._apply_delta,
    "r": Fold._apply_rewind,
    "st": Fold._apply_state,
    "end": Fold._apply_end,
    "hb": Fold._apply_heartbeat,
}
