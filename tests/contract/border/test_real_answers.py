"""Answers in the forms that servers are reported to give (`real_answers.jsonl`, each with its source), read plain and
as a stream whose chunks end anywhere."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from services.workers.generation.run import find_fault
from shared.outside.providers.border.deltas import DeltaReader
from shared.outside.providers.border.whole_answers import parse_answer
from shared.outside.providers.failures import LlmError

LINES = (Path(__file__).parent / "real_answers.jsonl").read_bytes().splitlines()
ANSWERS = [orjson.loads(line) for line in LINES]
PASSED_ON = {"empty", "tool_calls", "content_filter"}
"""Failures of stories alone: who waits for a stream gets what came."""
Read = tuple[str | None, str | None, list[int] | None, str | None]


def read_plain(answer: dict[str, Any]) -> Read:
    """Return text, reason, usage and failure class of a whole answer."""
    try:
        read = parse_answer(answer["kind"], answer["body"].encode(), {})
        fault = find_fault(read)
    except LlmError as error:
        return None, None, None, str(error.failure_class)
    usage = [read.prompt_tokens or 0, read.completion_tokens or 0] if read.has_usage else None
    return read.text, read.finish_reason, usage, str(fault.failure_class) if fault else None


def read_stream(answer: dict[str, Any], size: int) -> Read:
    """Return the same of a body that comes in chunks."""
    raw, reader, text = answer["body"].encode(), DeltaReader(answer["kind"], {}), ""
    try:
        for start in range(0, len(raw), size):
            text += "".join(delta.text for delta in reader.feed(raw[start : start + size]))
        text += "".join(delta.text for delta in reader.finish())
        fault = reader.find_fault()
    except LlmError as error:
        fault = error
    usage = [reader.usage.prompt_tokens, reader.usage.completion_tokens] if reader.usage else None
    return text, reader.finish_reason, usage, str(fault.failure_class) if fault else None


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: f"{answer['server']}: {answer['name']}")
def test_a_real_answer_is_read_or_has_its_class(answer: dict[str, Any]) -> None:
    expected = (answer["text"], answer["reason"], answer["usage"], answer["failure"])
    found = read_plain(answer)
    assert found[3] == answer["failure"]
    assert answer["failure"] is not None or found == expected
    for size in (1, 7, 10_000):
        found = read_stream(answer, size)
        if answer["failure"] is None:
            assert found == expected
        else:
            assert found[3] == answer["failure"] or (answer["failure"] in PASSED_ON and found[3] is None)


def test_each_answer_says_who_gave_it_and_where_it_was_reported() -> None:
    assert len(ANSWERS) >= 100
    assert len({(answer["server"], answer["name"]) for answer in ANSWERS}) == len(ANSWERS)
    assert all(answer["source"].startswith("https://") for answer in ANSWERS)
