"""Server-sent events, parsed from network chunks cut anywhere. Knows nothing of JSON or models."""

from dataclasses import dataclass, field

from shared.contracts.storable import decode_text
from shared.outside.providers.border.json_values import BYTE_ORDER_MARK

MAX_EVENT_BYTES = 8 * 1024 * 1024
"""A single event beyond this is not a token stream."""


class EventTooLargeError(ValueError):
    """An event grew past MAX_EVENT_BYTES."""


@dataclass(slots=True)
class SseParser:
    """Feed it bytes, get whole events. Tolerates a byte-order mark, comments, CR and CRLF, no space after
    `data:`, `data` over several lines, and characters split over two chunks (it cuts at line ends only)."""

    _pending: bytes = b""
    _begun: bool = False
    _event: str | None = None
    _data: list[bytes] = field(default_factory=list)
    _bytes: int = 0

    def feed(self, chunk: bytes) -> list[tuple[str | None, bytes]]:
        """Return the (event name, data) pairs that `chunk` completes. Raises: EventTooLargeError when a line, or an
        event of many lines, goes on for more than `MAX_EVENT_BYTES`."""
        buffer = self._pending + chunk if self._pending else chunk
        if len(buffer) > MAX_EVENT_BYTES:
            raise EventTooLargeError(f"event over {MAX_EVENT_BYTES} bytes")
        # A CR at the very end may be the first half of CRLF: wait for the other half.
        end = max(buffer.rfind(b"\n"), buffer.rfind(b"\r", 0, -1)) + 1
        self._pending = buffer[end:]
        return self._take_lines(buffer[:end].splitlines())

    def finish(self) -> list[tuple[str | None, bytes]]:
        """Return the event that the end of the body cut short of its blank line, if there is one."""
        rest, self._pending = self._pending, b""
        return self._take_lines([*rest.splitlines(), b""])

    def _take_lines(self, lines: list[bytes]) -> list[tuple[str | None, bytes]]:
        events: list[tuple[str | None, bytes]] = []
        if lines and not self._begun:
            self._begun = True
            lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
        for line in lines:
            if not line:
                if self._data:
                    events.append((self._event, b"\n".join(self._data)))
                    self._data.clear()
                    self._bytes = 0
                self._event = None
            elif line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
                self._bytes += len(line)
                if self._bytes > MAX_EVENT_BYTES:
                    raise EventTooLargeError(f"event over {MAX_EVENT_BYTES} bytes")
            elif line.startswith(b"event:"):
                self._event = decode_text(line[6:].strip())
        return events
