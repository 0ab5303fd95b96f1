"""A chunk in the usual form is read on a shorter way: what comes of a stream is the same as byte by byte."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from shared.outside.providers.border.answers import Kind, LlmDelta
from shared.outside.providers.border.deltas import DeltaReader
from shared.outside.providers.failures import LlmError


def event(**choice: Any) -> bytes:
    """Return a chunk as most providers write it."""
    return b"data: " + json.dumps({"model": "m", "choices": [choice]}, ensure_ascii=False).encode() + b"\n\n"


USUAL = [event(text="从前"), event(text=", once")]
CHAT = [event(delta={"content": "从前"}), event(delta={"content": ", once"})]
END = event(text="", finish_reason="stop")
X = b'data: {"choices": [{"text": "x"}]}'
HALVES = [b'data: {"choices": [{"text": "\\ud83d"}]}\n\n', b'data: {"choices": [{"text": "\\ude00"}]}\n\n']
ODD: dict[str, list[bytes]] = {
    "usual": [],
    "escaped U+0000": [b'data: {"choices": [{"text": "a\\u0000b"}]}\n\n'],
    "halves of a character": HALVES,
    "half, then the usual": [HALVES[0], USUAL[0]],
    "an error": [b'data: {"error": {"message": "no"}}\n\n', USUAL[0]],
    "an event's name": [b'event: error\ndata: {"message": "no"}\n\n'],
    "a name alone, then the usual": [b"event: error\n", USUAL[0]],
    "a list": [b"data: [1]\n\n"],
    "two in one": [USUAL[0] + USUAL[1]],
    "cut in two": [USUAL[0][:20], USUAL[0][20:]],
    "the end of one and the next": [USUAL[0][:20], USUAL[0][20:] + USUAL[1][:9], USUAL[1][9:]],
    "no blank": [b'data:{"choices": [{"text": "x"}]}\n\n'],
    "carriage returns": [b'data: {"choices":\r[{"text": "x"}]}\n\n', X + b"\r\n\r", b"\n", USUAL[0]],
    "no end of a line, then the usual": [X, b"\n\n", USUAL[0]],
    "data over two lines": [b'data: {"choices":\n', b'data: [{"text": "x"}]}\n\n', USUAL[0]],
    "data without an empty line": [X + b"\n", USUAL[0]],
    "a value and rubbish": [X + b' {"more": 1}\n\n'],
    "counts": [b'data: {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}\n\n'],
    "a comment": [b": still here\n\n"],
    "behind the end": [END, b"data: {broken}\n\n", USUAL[0], b'data: {"error": "late"}\n\n'],
    "behind done": [END, b"data: [DONE]\n\n", USUAL[0]],
}


def read(kind: Kind, chunks: Iterable[bytes]) -> tuple[list[LlmDelta], object]:
    """Return what comes of chunks: deltas, and all that is known at the end or at the failure."""
    reader, deltas, failure = DeltaReader(kind, {}), list[LlmDelta](), None
    try:
        for chunk in chunks:
            deltas += reader.feed(chunk)
        deltas += reader.finish()
        failure = reader.find_fault()
    except LlmError as error:
        failure = error
    told = None if failure is None else (failure.failure_class, failure.message)
    return deltas, (reader.finish_reason, reader.usage, reader.model, reader.done, told)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(("kind", "usual"), [("completion", USUAL), ("chat", CHAT)], ids=["completion", "chat"])
def test_what_is_read_does_not_depend_on_how_it_came(kind: Kind, usual: list[bytes], odd: str) -> None:
    chunks = [*usual, *ODD[odd], *usual, END]
    whole = b"".join(chunks)
    as_it_came = read(kind, chunks)
    assert as_it_came == read(kind, (whole[at : at + 1] for at in range(len(whole))))
    assert "".join(delta.text for delta in as_it_came[0]).startswith("从前, once")
