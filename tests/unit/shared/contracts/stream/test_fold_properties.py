"""Whatever is dropped, doubled or cut, and wherever the viewer joins: the folded text is the written text."""

import hashlib
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from services.workers.streams.append_script import OK
from services.workers.streams.handle import StreamHandle
from shared.contracts.stream.cursor import NOWHERE, START, Cursor
from shared.contracts.stream.fold import Fold
from shared.contracts.stream.frames import CursorFrame, End, Snapshot, State, decode, split_header
from shared.streams.buffer import StreamBuffer

TEXTS = st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6), min_size=0, max_size=12)
ATTEMPTS = st.lists(TEXTS, min_size=1, max_size=3)


def write_stream(attempts: list[list[str]], flush_after: Callable[[], bool]) -> list[CursorFrame]:
    """Return every frame that the attempts' handles would append, the last one ended."""
    frames: list[CursorFrame] = []
    for number, texts in enumerate(attempts, start=1):
        handle = StreamHandle("s", number, flush_bytes=1, wake=lambda *_: None, forget=lambda _: None)
        for text in texts:
            handle.write(text)
            if flush_after():
                frames += flush(handle)
        if number == len(attempts):
            digest = hashlib.sha256(handle.text.encode()).hexdigest()
            handle._end = End("s", handle.end_cursor, "succeeded", handle.chars, digest)
        frames += flush(handle)
    return frames


def flush(handle: StreamHandle) -> list[CursorFrame]:
    frames: list[CursorFrame] = []
    while entries := handle.collect(0.0):
        for entry in entries:
            frame = decode(split_header(entry.live_payload or entry.payload)[1])
            assert not isinstance(frame, State)
            frames.append(frame)
            handle.settle(entry, OK)
    return frames


@settings(max_examples=300, deadline=None)
@given(st.data(), ATTEMPTS)
def test_a_client_that_resubscribes_at_every_hole_folds_the_written_text(
    data: st.DataObject, attempts: list[list[str]]
) -> None:
    """Frames to the client are dropped, doubled and delayed at random; on a hole it comes back from its cursor."""
    frames = write_stream(attempts, lambda: data.draw(st.booleans()))
    written = "".join(attempts[-1])
    fold = Fold("s")
    buffer = StreamBuffer("s")
    for frame in frames:
        buffer.apply(frame)
        fate = data.draw(st.sampled_from(["arrives", "arrives", "lost", "doubled", "cut"]))
        copies = {"arrives": 1, "lost": 0, "doubled": 2, "cut": 0}[fate]
        for _ in range(copies):
            fold.apply(frame.to_wire())
        if fold.needs_resubscribe or fate == "cut":
            resubscribe(fold, buffer)
    resubscribe(fold, buffer)
    assert fold.text == written
    assert fold.ended
    assert not fold.needs_row


def resubscribe(fold: Fold, buffer: StreamBuffer) -> None:
    """What a hub answers to `sub{from: cursor}`."""
    cursor = Cursor.parse(fold.cursor)
    can_continue = buffer.can_continue(cursor)
    fold.apply({"t": "subd", "stream": "s", "state": "running", "mode": "delta" if can_continue else "snapshot"})
    packet = buffer.packet_after(cursor if can_continue else NOWHERE)
    for frame in packet.frames if packet else ():
        fold.apply(frame.to_wire())


@settings(max_examples=200, deadline=None)
@given(st.data(), ATTEMPTS)
def test_a_viewer_who_reads_seldom_sees_rising_cursors_and_the_whole_text(
    data: st.DataObject, attempts: list[list[str]]
) -> None:
    frames = write_stream(attempts, lambda: data.draw(st.booleans()))
    buffer, fold, cursor, seen = StreamBuffer("s"), Fold("s"), START, [START]
    for frame in [*frames, None]:
        if frame is not None:
            buffer.apply(frame)
        if frame is None or data.draw(st.booleans()):
            packet = buffer.packet_after(cursor)
            cursor = buffer.cursor
            for part in packet.frames if packet else ():
                fold.apply(part.to_wire())
                seen.append(part.cursor)  # type: ignore[union-attr]
    assert seen == sorted(set(seen))
    assert fold.text == "".join(attempts[-1])
    assert fold.ended
    assert not fold.needs_resubscribe
    assert not fold.needs_row


@settings(max_examples=200, deadline=None)
@given(st.data(), ATTEMPTS)
def test_a_buffer_fed_from_a_checkpoint_and_the_log_after_it_holds_the_text(
    data: st.DataObject, attempts: list[list[str]]
) -> None:
    """A checkpoint may stand between two frames: the next one then overlaps it."""
    frames = write_stream(attempts, lambda: data.draw(st.booleans()))
    last = attempts[-1]
    count = data.draw(st.integers(0, len(last)))
    seq = count + (1 if len(attempts) > 1 else 0)
    buffer = StreamBuffer("s")
    buffer.apply(Snapshot("s", Cursor(len(attempts), seq), "".join(last[:count])))
    for frame in frames:
        buffer.apply(frame)
    assert buffer.text == "".join(last)
    assert buffer.end is not None
