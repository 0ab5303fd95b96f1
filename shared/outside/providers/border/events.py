"""The events of a body in whatever framing it comes: server-sent events, a JSON object a line, or one JSON object.

Goes by what the bytes are, not by what was asked or is said of them. Knows nothing of models or shapes."""

from dataclasses import dataclass, field
from typing import Final

from shared.contracts.storable import decode_text
from shared.outside.providers.border.json_values import BYTE_ORDER_MARK, read_json
from shared.outside.providers.failures import LlmError

MAX_EVENT_BYTES: Final = 8 * 1024 * 1024
"""A single event beyond this is not a token stream."""
DONE: Final = b"[DONE]"
SHOWN_STRAY_BYTES: Final = 1_200
"""Of a body that has no event at all: what is told of it."""

Event = tuple[str | None, bytes]
"""An event's name, if it has one, and its data."""


class EventTooLargeError(ValueError):
    """An event grew past MAX_EVENT_BYTES."""


def is_done(data: bytes) -> bool:
    """Say whether an event is the mark of a stream's end, whatever blanks or quotes stand around it."""
    return not data.startswith(b"{") and data.strip(b' \t\r\n"').upper() == DONE


@dataclass(slots=True)
class EventReader:
    """Feed it bytes, get whole events. Tolerates a byte-order mark, comments, CR and CRLF, no blank after `data:`,
    `data` over several lines, no empty line between events, JSON lines, one JSON object over many lines, and
    characters split over two chunks (it cuts at line ends only)."""

    _pending: bytes = b""
    _begun: bool = False
    _skips_line_feed: bool = False
    """The last chunk ended with CR: a line feed that comes first is its other half."""
    _is_whole: bool = False
    """The body is one JSON object over many lines: it is given at the end."""
    is_bare: bool = True
    """So far nothing said that this is an event stream: there were JSON values alone."""
    _has_events: bool = False
    _stray: bytes = b""
    _event: str | None = None
    _data: list[bytes] = field(default_factory=list)
    _bytes: int = 0

    def take_usual(self, chunk: bytes) -> bytes | None:
        """Return the data of a chunk that is one whole event as nearly every stream has it, behind whole ones; None for
        any other, of which nothing was taken: feed it."""
        if not (chunk.startswith(b"data: {") and chunk.endswith(b"}\n\n") and chunk.find(b"\n") == len(chunk) - 2):
            return None
        if not self._has_events or self._pending or self._data or self._event or self._is_whole or b"\r" in chunk:
            return None
        if self._skips_line_feed or self.is_bare or len(chunk) > MAX_EVENT_BYTES:
            return None
        return chunk[6:-2]

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that `chunk` completes. Raises: EventTooLargeError when a line, or an event of many lines,
        goes on for more than `MAX_EVENT_BYTES`."""
        if self._skips_line_feed and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._skips_line_feed = False
        if self._is_whole:
            self._add_data(chunk)
            return []
        buffer = self._pending + chunk if self._pending else chunk
        if len(buffer) > MAX_EVENT_BYTES:
            raise EventTooLargeError(f"event over {MAX_EVENT_BYTES} bytes")
        end = max(buffer.rfind(b"\n"), buffer.rfind(b"\r")) + 1
        self._skips_line_feed = buffer.endswith(b"\r")
        self._pending = buffer[end:]
        events = self._take_lines(buffer[:end].splitlines())
        if self._is_whole and self._pending:
            self._pending, rest = b"", self._pending
            self._add_data(rest)
        return events

    def finish(self) -> list[Event]:
        """Return what the end of the body cut short of its line end: an event, or what stands where none was."""
        rest, self._pending = self._pending, b""
        events = self._take_lines([*rest.splitlines(), b""])
        if self._is_whole:
            events.append((None, b"".join(self._data)))
        elif self._stray and not self._has_events and not events:
            events.append((None, self._stray))
        return events

    def _take_lines(self, lines: list[bytes]) -> list[Event]:
        events: list[Event] = []
        if lines and not self._begun:
            self._begun = True
            lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
        for number, line in enumerate(lines):
            if self._is_whole:
                self._add_data(b"\n".join(lines[number:]))
                break
            if line.startswith(b"data:"):
                self._take_data(line[5:], events)
            elif not line or line.isspace():
                self._dispatch(events)
            else:
                self._take_field(line, events)
        return events

    def _take_field(self, line: bytes, events: list[Event]) -> None:
        stripped = line.strip()
        if line.startswith(b"event:"):
            self._event = decode_text(line[6:].strip())
        elif stripped.startswith(b"data:"):
            self._take_data(stripped[5:], events)
        elif stripped.startswith((b"{", b"[")):
            self._take_json_line(stripped, events)
        elif not stripped.startswith((b":", b"id:", b"retry:")) and len(self._stray) < SHOWN_STRAY_BYTES:
            self._stray += stripped + b"\n"

    def _take_json_line(self, line: bytes, events: list[Event]) -> None:
        if not self._has_events and not self._data and not is_json(line) and not is_done(line):
            self._is_whole = True
            self._add_data(line + b"\n")
            return
        self._dispatch(events)
        self._add_data(line)
        self._dispatch(events)

    def _take_data(self, value: bytes, events: list[Event]) -> None:
        self.is_bare = False
        value = value[1:] if value.startswith(b" ") else value
        # No JSON value has `}` before `{` or `[DONE]`: the empty line between two events is missing.
        if self._data and self._data[-1].rstrip().endswith(b"}") and value.lstrip().startswith((b"{", DONE)):
            self._dispatch(events)
        self._add_data(value)

    def _add_data(self, value: bytes) -> None:
        self._data.append(value)
        self._bytes += len(value)
        if self._bytes > MAX_EVENT_BYTES:
            raise EventTooLargeError(f"event over {MAX_EVENT_BYTES} bytes")

    def _dispatch(self, events: list[Event]) -> None:
        if self._data:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            self._data.clear()
            self._bytes = 0
            if data and not data.isspace():
                self._has_events = True
                events.append((self._event, data))
        self._event = None


def is_json(line: bytes) -> bool:
    """Say whether a line is a JSON value by itself."""
    if not line.endswith((b"}", b"]")):
        return False
    try:
        read_json(line)
    except LlmError:
        return False
    return True
