"""Findings that need a look at the text itself but no pattern: loops and echoes."""

import zlib

from services.preparation.findings.board import MarkBoard
from services.preparation.rows.row_batches import RowBatch

# Below this many bytes, every text compresses badly.
LOOP_BYTES = 120
# Prose of either language keeps more than 0.35 of its bytes at this length; a loop less than 0.25.
LOOP_RATIO = 0.25
ECHO_CHARACTERS = 12
MOST_BYTES = 4
PIECE_CHARACTERS = 4
PROBES = 12
ONCE_SHARE = 0.5
REACH_CHARACTERS = 4000


def mark_texts(batch: RowBatch, board: MarkBoard) -> None:
    """Mark loops and echoes."""
    board.mark("repeated_text", [i for i, text in zip(batch.ids, batch.completions, strict=True) if is_loop(text)])
    pairs = zip(batch.ids, batch.prompts, batch.completions, strict=True)
    board.mark("prompt_echo", [i for i, prompt, completion in pairs if _echoes(prompt, completion)])


def is_loop(text: str) -> bool:
    """Whether the text repeats itself over and over."""
    if len(text) * MOST_BYTES < LOOP_BYTES or not _may_loop(text):
        return False
    raw = text.encode()
    if len(raw) < LOOP_BYTES:
        return False
    # Long texts compress well by nature: judge them by their first part and their last.
    parts = (raw,) if len(raw) <= 4000 else (raw[:4000], raw[-4000:])
    return any(len(zlib.compress(part, 1)) < LOOP_RATIO * len(part) * _length_factor(len(part)) for part in parts)


def _may_loop(text: str) -> bool:
    """The cheap test before the costly one. What shrinks to a quarter says nearly all of its pieces again: of those
    from several places of a text, few stand there once only. Prose is done when half of them do."""
    step = max(1, (len(text) - PIECE_CHARACTERS) // PROBES)
    places = range(0, len(text) - PIECE_CHARACTERS, step)
    left = int(len(places) * ONCE_SHARE)
    for at in places:
        piece = text[at : at + PIECE_CHARACTERS]
        # Within the reach of the compression. Counting passes over a piece that overlaps itself: such a one is sought.
        if text.count(piece, max(0, at - REACH_CHARACTERS), at + REACH_CHARACTERS) == 1 and (
            piece[0] not in piece[2:] or not _stands_again(text, piece, at)
        ):
            if not left:
                return False
            left -= 1
    return True


def _stands_again(text: str, piece: str, at: int) -> bool:
    start = max(0, at - REACH_CHARACTERS)
    before = text.find(piece, start, at + PIECE_CHARACTERS - 1)
    return before >= 0 or text.find(piece, at + 1, at + REACH_CHARACTERS) >= 0


def _length_factor(size: int) -> float:
    return 1.0 if size < 1500 else 0.6


def _echoes(prompt: str, completion: str) -> bool:
    return len(prompt) >= ECHO_CHARACTERS and completion.lstrip().startswith(prompt.strip())
