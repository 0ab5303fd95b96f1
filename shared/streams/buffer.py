"""One stream in memory: its text with every boundary that a cursor can stand on, and its end.

A viewer is a cursor, not a queue: what it is missing is cut from here when it can take it. Pure: no I/O.
"""

from bisect import bisect_left
from enum import Enum

from shared.contracts.stream.cursor import START, Cursor
from shared.contracts.stream.frames import CursorFrame, Delta, End, Frame, Rewind, Snapshot
from shared.contracts.stream.packet import Packet
from shared.contracts.stream.placed import Json, Placed


class FrameResult(Enum):
    """What became of a frame."""

    APPLIED = "applied"
    STALE = "stale"
    GAP = "gap"


class StreamBuffer:
    """The text of a stream up to `cursor`, kept as the parts it came in."""

    def __init__(self, stream_id: str) -> None:
        self.stream_id = stream_id
        self.cursor = START
        self.end: End | None = None
        self._text_cursor = START
        self._parts: list[str] = []
        self._seqs: list[int] = []
        self._offsets: list[int] = []
        self._extra: dict[int, tuple[Placed, ...]] = {}
        self._starts_at_one = True
        self._packets: dict[Cursor, Packet] = {}

    @property
    def text_cursor(self) -> Cursor:
        """The cursor that the text reaches: before the end, if there is one."""
        return self._text_cursor

    @property
    def chars(self) -> int:
        """Code points of the text."""
        return self._offsets[-1] if self._offsets else 0

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self._parts)

    def apply(self, frame: CursorFrame, raw_json: bytes | None = None) -> FrameResult:
        """Take in a frame. `raw_json` is its encoded form, sent on as it is to viewers who are up to date.

        GAP leaves everything as it was: something before the frame is missing, or an end does not fit the text."""
        if frame.cursor <= self.cursor or self.end is not None:
            return FrameResult.STALE
        before = self.cursor
        if not self._take(frame):
            return FrameResult.GAP
        self.cursor = frame.cursor
        if not isinstance(frame, End):
            self._text_cursor = frame.cursor
        self._packets = {}
        if raw_json is not None and _continues(before, frame):
            self._packets[before] = Packet((frame,), raw_json)
        return FrameResult.APPLIED

    def packet_after(self, cursor: Cursor) -> Packet | None:
        """Return what a viewer at `cursor` is missing, or None if nothing. A cursor that this stream never gave
        out gets a snapshot. Shared by all viewers who stand at the same place."""
        if cursor == self.cursor:
            return None
        packet = self._packets.get(cursor)
        if packet is None:
            packet = self._packets[cursor] = Packet(tuple(self._build_frames(cursor)))
        return packet

    def can_continue(self, cursor: Cursor) -> bool:
        """Say whether a viewer at `cursor` can go on with a delta rather than a snapshot."""
        return cursor in {self.cursor, self._text_cursor} or self._find_part(cursor) is not None

    def _take(self, frame: CursorFrame) -> bool:
        match frame:
            case Delta():
                return self._take_delta(frame)
            case Snapshot():
                self._take_snapshot(frame)
                return True
            case Rewind():
                return self._take_rewind(frame)
            case End():
                return self._take_end(frame)

    def _take_delta(self, delta: Delta) -> bool:
        if delta.first.seq == 1 and delta.first.attempt > self.cursor.attempt and delta.offset == 0:
            self._clear()
        elif not self._reaches(delta):
            return False
        # After a checkpoint from Postgres the next frame may begin before our cursor: take what is new of it.
        is_overlap = delta.offset < self.chars
        self._append(delta.cursor.seq, delta.text[self.chars - delta.offset :], () if is_overlap else delta.beside)
        return True

    def _reaches(self, delta: Delta) -> bool:
        if self.cursor.is_followed_by(delta.first):
            return delta.offset == self.chars
        return (
            delta.first.attempt == self.cursor.attempt
            and delta.first.seq <= self.cursor.seq
            and delta.offset <= self.chars <= delta.offset + len(delta.text)
        )

    def _take_snapshot(self, snapshot: Snapshot) -> None:
        mine = self.text
        known_extra = sum(len(extra) for extra in self._extra.values())
        is_same_attempt = snapshot.cursor.attempt == self.cursor.attempt and self.cursor != START
        if is_same_attempt and snapshot.text.startswith(mine):
            self._append(snapshot.cursor.seq, snapshot.text[len(mine) :], snapshot.beside[known_extra:])
            return
        self._clear()
        self._starts_at_one = False
        self._append(snapshot.cursor.seq, snapshot.text, snapshot.beside)

    def _take_rewind(self, rewind: Rewind) -> bool:
        if rewind.offset > self.chars or (rewind.cursor.attempt == self.cursor.attempt and self.cursor != START):
            return False
        kept = self.text[: rewind.offset]
        self._clear()
        self._starts_at_one = False
        self._append(rewind.cursor.seq, kept, ())
        return True

    def _take_end(self, end: End) -> bool:
        if not self.cursor.is_followed_by(end.cursor) or end.chars != self.chars:
            return False
        self.end = end
        return True

    def _append(self, seq: int, text: str, extra: tuple[Placed, ...]) -> None:
        if extra:
            self._extra[len(self._parts)] = extra
        self._parts.append(text)
        self._seqs.append(seq)
        self._offsets.append(self.chars + len(text))

    def _clear(self) -> None:
        self._parts, self._seqs, self._offsets, self._extra = [], [], [], {}
        self._starts_at_one = True

    def _find_part(self, cursor: Cursor) -> int | None:
        """Return the index of the first part after `cursor`, or None if it is no boundary of this attempt."""
        if cursor == START:
            return 0 if self._starts_at_one and self._text_cursor.attempt <= 1 else None
        if cursor.attempt != self._text_cursor.attempt:
            return None
        index = bisect_left(self._seqs, cursor.seq)
        return index + 1 if index < len(self._seqs) and self._seqs[index] == cursor.seq else None

    def _build_frames(self, cursor: Cursor) -> list[Frame]:
        frames: list[Frame] = []
        if cursor != self._text_cursor:
            frames.append(self._build_catch_up(cursor))
        if self.end is not None:
            frames.append(self.end)
        return frames

    def _build_catch_up(self, cursor: Cursor) -> Frame:
        index = self._find_part(cursor)
        top = self._text_cursor
        if index is None:
            return Snapshot(self.stream_id, top, self.text, *self._extra_from(0))
        offset = self._offsets[index - 1] if index else 0
        first = Cursor(top.attempt, cursor.seq + 1)
        return Delta(self.stream_id, first, top, offset, "".join(self._parts[index:]), *self._extra_from(index))

    def _extra_from(self, index: int) -> tuple[tuple[Json, ...], tuple[int, ...]]:
        """Return what stands beside the text from a part on, and where."""
        placed = [item for part, extras in self._extra.items() if part >= index for item in extras]
        return tuple(extra for _, extra in placed), tuple(at for at, _ in placed)


def _continues(before: Cursor, frame: CursorFrame) -> bool:
    """Say whether a client at `before` can fold the frame as it is."""
    match frame:
        case Delta():
            return before.is_followed_by(frame.first)
        case End():
            return before.is_followed_by(frame.cursor)
        case Snapshot() | Rewind():
            return True
