"""Tokens of a training file, line by line. Lines that are no rows count nothing: whoever trains names them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any, Final, Protocol

from shared.texts.encodings import ModelTokens, count_chat, count_pair, load_encoding, tokens_of_model
from shared.texts.row_bound import RowBound
from shared.texts.training_rows import BadLineError, check_row, encode_row, number_lines, parse_line

SAMPLE_PIECES: Final = 64
"""Of a file that is too long to be counted whole, so many stretches are counted, evenly spread."""


@dataclass(frozen=True, slots=True)
class FileTokens:
    """What one epoch is made of: rows, and tokens with every row cut to what the model takes."""

    rows: int
    tokens: int
    encoding: str
    is_exact: bool
    """False where another model's encoding stood in, or only a part of the file was counted."""


class RowCounter(Protocol):
    """A model's own tokenizer, or the published one that comes nearest."""

    tokens: ModelTokens

    def count_pair(self, prompt: str, completion: str) -> int:
        """Tokens of a prompt-completion row."""
        ...

    def count_chat(self, record: str) -> int:
        """Tokens of a chat line."""
        ...


class PublishedCounter:
    """Rows as OpenAI's fine-tuning counts them."""

    def __init__(self, model: str) -> None:
        self.tokens = tokens_of_model(model)

    @cached_property
    def encoding(self) -> Any:
        """The tokenizer, loaded at the first count: its tables are 65 MB."""
        return load_encoding(self.tokens.encoding)

    def count_pair(self, prompt: str, completion: str) -> int:
        """Tokens of a prompt-completion row."""
        return count_pair(self.encoding, prompt, completion)

    def count_chat(self, record: str) -> int:
        """Tokens of a chat line."""
        return count_chat(self.encoding, record)


def count_training_tokens(lines: Iterable[bytes], counter: RowCounter, bound: RowBound | None = None) -> FileTokens:
    """Count every line, one at a time, but those that are more than the bound allows."""
    known = counter.tokens
    rows = tokens = 0
    for _, line in number_lines(lines):
        counted = count_line(counter, line, bound)
        if counted is not None:
            rows += 1
            tokens += min(counted, known.limit) if known.limit else counted
    return FileTokens(rows, tokens, known.encoding, known.is_exact)


def estimate_training_tokens(
    file: IO[bytes], size: int, counter: RowCounter, most_bytes: int, bound: RowBound
) -> FileTokens:
    """Count a file of `size` bytes whole if it is no longer than `most_bytes`, else so much of it, and scale."""
    if size <= most_bytes:
        return count_training_tokens(bound.read_lines(file), counter, bound)
    read = rows = tokens = reached = 0
    for piece in range(SAMPLE_PIECES):
        start = size * piece // SAMPLE_PIECES
        if start < reached:  # within a row that was passed over
            continue
        if read > 2 * most_bytes:  # rows far longer than a stretch
            break
        lines = read_stretch(file, start, most_bytes // SAMPLE_PIECES, bound)
        reached = file.tell()
        counted = count_training_tokens(lines, counter, bound)
        read, rows, tokens = read + sum(map(len, lines)), rows + counted.rows, tokens + counted.tokens
    scale = size / read if read else 0
    return FileTokens(round(rows * scale), round(tokens * scale), counter.tokens.encoding, is_exact=False)


def read_stretch(file: IO[bytes], start: int, length: int, bound: RowBound) -> list[bytes]:
    """Return the whole lines that begin in a stretch; the line that a start falls into belongs to what is before."""
    file.seek(start)
    if start:
        bound.read_line(file)
    lines = []
    while file.tell() < start + length and (line := bound.read_line(file)):
        lines.append(line)
    return lines


def count_line(counter: RowCounter, line: bytes, bound: RowBound | None) -> int | None:
    """Return a row's tokens; None for a line that is no row."""
    try:
        row = parse_line(line, bound)
        found = check_row(row)
    except BadLineError:
        return None
    if found == "chat":
        return counter.count_chat(encode_row({"messages": row["messages"]}).decode())
    if found == "preference":
        return count_preference(counter, row)
    return counter.count_pair(row["prompt"], row["completion"])


def count_preference(counter: RowCounter, row: dict[str, Any]) -> int:
    """Return a preference row's tokens: both answers are trained on, each after the question."""
    chats = [[*row["input"]["messages"], *row[name]] for name in ("preferred_output", "non_preferred_output")]
    return sum(counter.count_chat(encode_row({"messages": chat}).decode()) for chat in chats)
