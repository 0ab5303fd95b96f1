"""The buffer: what it takes, what it refuses, what a viewer at any cursor is missing."""

from shared.contracts.stream.cursor import NOWHERE, START, Cursor
from shared.contracts.stream.frames import Delta, End, Frame, Rewind, Snapshot
from shared.streams.buffer import FrameResult, StreamBuffer


def delta(first: int, last: int, offset: int, text: str, attempt: int = 1) -> Delta:
    return Delta("s", Cursor(attempt, first), Cursor(attempt, last), offset, text)


def filled() -> StreamBuffer:
    buffer = StreamBuffer("s")
    for frame in (delta(1, 2, 0, "ab"), delta(3, 3, 2, "c"), delta(4, 6, 3, "def")):
        assert buffer.apply(frame) is FrameResult.APPLIED
    return buffer


def frames_after(buffer: StreamBuffer, cursor: Cursor) -> tuple[Frame, ...]:
    packet = buffer.packet_after(cursor)
    return packet.frames if packet else ()


def test_a_viewer_gets_exactly_what_follows_its_cursor() -> None:
    buffer = filled()
    assert frames_after(buffer, START) == (delta(1, 6, 0, "abcdef"),)
    assert frames_after(buffer, Cursor(1, 2)) == (delta(3, 6, 2, "cdef"),)
    assert frames_after(buffer, Cursor(1, 6)) == ()


def test_a_cursor_between_boundaries_gets_a_snapshot() -> None:
    buffer = filled()
    for cursor in (Cursor(1, 1), Cursor(1, 5), Cursor(3, 1), NOWHERE):
        assert not buffer.can_continue(cursor)
        assert frames_after(buffer, cursor) == (Snapshot("s", Cursor(1, 6), "abcdef"),)


def test_holes_and_repetitions_leave_the_text_alone() -> None:
    buffer = filled()
    assert buffer.apply(delta(8, 8, 7, "h")) is FrameResult.GAP
    assert buffer.apply(delta(4, 6, 3, "def")) is FrameResult.STALE
    assert buffer.apply(End("s", Cursor(1, 9), "succeeded", 6, "")) is FrameResult.GAP
    assert buffer.apply(End("s", Cursor(1, 7), "succeeded", 99, "")) is FrameResult.GAP
    assert buffer.text == "abcdef"


def test_a_snapshot_that_goes_on_from_here_reaches_viewers_as_a_delta() -> None:
    buffer = filled()
    assert buffer.apply(Snapshot("s", Cursor(1, 8), "abcdefgh")) is FrameResult.APPLIED
    assert frames_after(buffer, Cursor(1, 6)) == (delta(7, 8, 6, "gh"),)


def test_a_frame_that_overlaps_a_checkpoint_adds_only_what_is_new() -> None:
    buffer = StreamBuffer("s")
    buffer.apply(Snapshot("s", Cursor(1, 4), "abcd"))
    assert buffer.apply(delta(3, 6, 2, "cdef")) is FrameResult.APPLIED
    assert buffer.text == "abcdef"


def test_a_rewind_reaches_viewers_of_the_old_attempt_as_it_is_and_later_ones_as_a_snapshot() -> None:
    buffer = filled()
    rewind = Rewind("s", Cursor(2, 1), 0, "retry")
    assert buffer.apply(rewind, b'{"raw":1}') is FrameResult.APPLIED
    packet = buffer.packet_after(Cursor(1, 6))
    assert packet is not None
    assert packet.json == b'{"raw":1}'
    buffer.apply(delta(2, 2, 0, "x", attempt=2))
    assert frames_after(buffer, Cursor(1, 6)) == (Snapshot("s", Cursor(2, 2), "x"),)
    assert frames_after(buffer, Cursor(2, 1)) == (delta(2, 2, 0, "x", attempt=2),)


def test_viewers_at_the_same_cursor_share_one_encoding() -> None:
    buffer = filled()
    assert buffer.packet_after(Cursor(1, 3)) is buffer.packet_after(Cursor(1, 3))


def test_extra_choice_deltas_travel_with_their_place() -> None:
    buffer = filled()
    tool = ({"tool_calls": [1]},)
    buffer.apply(Delta("s", Cursor(1, 7), Cursor(1, 7), 6, "", tool, (6,)))
    buffer.apply(Delta("s", Cursor(1, 8), Cursor(1, 9), 6, "gh", tool, (7,)))
    assert frames_after(buffer, Cursor(1, 3)) == (
        Delta("s", Cursor(1, 4), Cursor(1, 9), 3, "defgh", (*tool, *tool), (6, 7)),
    )
    assert frames_after(buffer, Cursor(1, 7)) == (Delta("s", Cursor(1, 8), Cursor(1, 9), 6, "gh", tool, (7,)),)
