"""Tokens of a training file, line by line. Broken lines count nothing: whoever trains names them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, Any, Final

import orjson

from shared.texts.encodings import ModelTokens, count_chat, count_pair, load_encoding, tokens_of_model

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


def count_training_tokens(lines: Iterable[bytes], model: str) -> FileTokens:
    """Count every line, one at a time."""
    known = tokens_of_model(model)
    encoding = load_encoding(known.encoding)
    rows = tokens = 0
    for line in lines:
        counted = count_line(encoding, line)
        if counted is not None:
            rows += 1
            tokens += min(counted, known.limit) if known.limit else counted
    return FileTokens(rows, tokens, known.encoding, known.is_exact)


def estimate_training_tokens(file: IO[bytes], size: int, model: str, most_bytes: int) -> FileTokens:
    """Count a file of `size` bytes whole if it is no longer than `most_bytes`, else so much of it, and scale."""
    if size <= most_bytes:
        return count_training_tokens(file, model)
    read = rows = tokens = 0
    known: ModelTokens = tokens_of_model(model)
    for piece in range(SAMPLE_PIECES):
        lines = read_stretch(file, size * piece // SAMPLE_PIECES, most_bytes // SAMPLE_PIECES)
        counted = count_training_tokens(lines, model)
        read, rows, tokens = read + sum(map(len, lines)), rows + counted.rows, tokens + counted.tokens
    scale = size / read if read else 0
    return FileTokens(round(rows * scale), round(tokens * scale), known.encoding, is_exact=False)


def read_stretch(file: IO[bytes], start: int, length: int) -> list[bytes]:
    """Return the whole lines that begin in a stretch; the line that a start falls into belongs to what is before."""
    file.seek(start)
    if start:
        file.readline()
    lines = []
    while file.tell() < start + length and (line := file.readline()):
        lines.append(line)
    return lines


def count_line(encoding: Any, line: bytes) -> int | None:
    """Return a row's tokens; None for a line that is no row."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, dict):
        return None
    if "messages" in value:
        return count_chat(encoding, line.decode())
    if "input" in value:  # a preference row: both answers are trained on
        return sum(count_text(encoding, part) for part in flatten(value))
    prompt, completion = value.get("prompt"), value.get("completion")
    if not isinstance(prompt, str) or not isinstance(completion, str):
        return None
    return count_pair(encoding, prompt, completion)


def count_text(encoding: Any, text: str) -> int:
    """Return a text's tokens."""
    count: int = encoding.count(text)
    return count


def flatten(value: Any) -> Iterable[str]:
    """Yield every text inside a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from flatten(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from flatten(inner)
