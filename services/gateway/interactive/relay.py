"""From a stream's frames to a client that only ever appends: what new text to send, if any.

Our own viewers can be rewound when a worker dies and another starts the text again; an OpenAI client cannot. Its
stream goes on if the new attempt repeats what was sent, and breaks with an error if it does not."""

from typing import Any

from shared.contracts.stream.frames import Delta, Frame, Rewind, Snapshot
from shared.errors import StorymillError


class RestartedError(StorymillError):
    """The text was started again and came out different from what the client has."""

    status = 502
    default_code = "stream_restarted"
    retryable = True

    def __init__(self) -> None:
        super().__init__("The text was interrupted and came out differently when it was started again. Try again.")


class Relay:
    """Keeps track of one stream: code points sent, and the attempt's text while it catches up with them."""

    def __init__(self) -> None:
        self._sent: list[str] = []
        self._sent_length = 0
        self._extras_sent = 0
        self._again: str | None = None
        """The new attempt's text while it repeats what was sent; None in the ordinary case."""

    def take(self, frame: Frame) -> tuple[str, list[dict[str, Any]]]:
        """Return the new text and the new extra deltas that a frame brings. Raises: RestartedError when a new attempt
        says something else than what was sent."""
        match frame:
            case Delta():
                return self._take_text(frame.offset, frame.text), self._take_extras(list(frame.extra))
            case Snapshot():
                self._again = "" if self._sent_length else None
                fresh = list(frame.extra)[self._extras_sent :]
                return self._take_text(0, frame.text), self._take_extras(fresh)
            case Rewind():
                self._rewind(frame.offset)
        return "", []

    def _rewind(self, offset: int) -> None:
        if self._extras_sent:
            raise RestartedError
        if self._sent_length:
            self._again = "".join(self._sent)[:offset]

    def _take_extras(self, extras: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self._extras_sent += len(extras)
        return extras

    def _take_text(self, offset: int, text: str) -> str:
        if self._again is None:
            fresh = text[max(0, self._sent_length - offset) :]
        else:
            fresh = self._catch_up(self._again[:offset] + text)
        if fresh:
            self._sent.append(fresh)
            self._sent_length += len(fresh)
        return fresh

    def _catch_up(self, again: str) -> str:
        """Compare the new attempt's text so far with what was sent; return what goes beyond it."""
        sent = "".join(self._sent)
        if not (again.startswith(sent) or sent.startswith(again)):
            raise RestartedError
        self._again = None if len(again) >= len(sent) else again
        return again[len(sent) :]
