"""From a stream's frames to a client that only ever appends: what new text to send, if any.

Our own viewers can be rewound when a worker dies and another starts the text again; an OpenAI client cannot. Its
stream goes on if the new attempt repeats what was sent, and breaks with an error if it does not."""

from collections.abc import Sequence

from shared.contracts.stream.frames import Delta, Frame, Rewind, Snapshot
from shared.contracts.stream.placed import Json, Placed
from shared.errors import StorymillError

News = tuple[str, Json | None]
"""New text, and raw fields of a choice delta: either, or log probabilities with their text."""


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

    def take(self, frame: Frame) -> list[News]:
        """Return what a frame brings of text and of extra deltas, in the provider's order. Raises: RestartedError when
        a new attempt says something else than what was sent."""
        match frame:
            case Delta():
                return self._take(frame.offset, frame.text, frame.beside)
            case Snapshot():
                self._again = "" if self._sent_length else None
                return self._take(0, frame.text, frame.beside[self._extras_sent :])
            case Rewind():
                self._rewind(frame.offset)
        return []

    def _rewind(self, offset: int) -> None:
        if self._extras_sent:
            raise RestartedError
        if self._sent_length:
            self._again = "".join(self._sent)[:offset]

    def _take(self, offset: int, text: str, beside: Sequence[Placed]) -> list[News]:
        fresh = self._take_text(offset, text)
        self._extras_sent += len(beside)
        return weave(fresh, offset + len(text) - len(fresh), beside) if beside else [(fresh, None)] if fresh else []

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


def weave(text: str, offset: int, beside: Sequence[Placed]) -> list[News]:
    """Return a text that begins at `offset`, cut where something stands beside it. Log probabilities go with the text
    behind them, up to the next thing: it is theirs."""
    news: list[News] = []
    done = 0
    for at, extra in beside:
        place = min(max(at - offset, done), len(text))
        add_text(news, text[done:place])
        done = place
        news.append(("", extra))
    add_text(news, text[done:])
    return news


def add_text(news: list[News], text: str) -> None:
    """Put a text behind what was there, or with its log probabilities."""
    if not text:
        return
    if news and not news[-1][0] and news[-1][1] is not None and "logprobs" in news[-1][1]:
        news[-1] = (text, news[-1][1])
    else:
        news.append((text, None))
