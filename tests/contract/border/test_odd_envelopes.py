"""Good answers in envelopes and between lines that are nobody's protocol: the text is read, in whatever pieces it
comes."""

import json
from typing import Any

import pytest

from shared.outside.providers.border.deltas import DeltaReader
from shared.outside.providers.border.whole_answers import parse_answer
from shared.outside.providers.failures import FailureClass, LlmError

TEXT = "从前有一位英雄。"
USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
ANSWER = {"choices": [CHOICE], "usage": USAGE}
CHUNK = "data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": TEXT}, "finish_reason": "stop"}]}) + "\n\n"
USAGE_CHUNK = "data: " + json.dumps({"choices": [], "usage": USAGE}) + "\n\ndata: [DONE]\n\n"
ODD: dict[str, Any] = {
    "an envelope named result": {"success": True, "errors": [], "messages": [], "result": ANSWER},
    "an envelope named data": {"code": 0, "msg": "ok", "data": ANSWER},
    "an envelope named output, usage outside": {"output": {"choices": [CHOICE]}, "usage": USAGE, "request_id": "r"},
    "one choice that is no list": {"choices": CHOICE, "usage": USAGE},
    "an error object that says nothing": {"error": {"message": "", "type": "", "param": "", "code": None}, **ANSWER},
    "an error object of zeros": {"error": {"message": None, "code": 0}, **ANSWER},
    "a reason as an enum prints itself": {**ANSWER, "choices": [{**CHOICE, "finish_reason": "FinishReason.STOP"}]},
    "ping events": f"data: ping\n\n{CHUNK}data: ping\n\n{USAGE_CHUNK}",
    "null events": f"data: null\n\n{CHUNK}data:\n\n{USAGE_CHUNK}",
}


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("name", ODD)
def test_the_text_is_read(name: str, size: int) -> None:
    raw = (ODD[name] if isinstance(ODD[name], str) else json.dumps(ODD[name])).encode()
    answer = parse_answer("chat", raw, {})
    assert (answer.text, answer.finish_reason, answer.completion_tokens) == (TEXT, "stop", 7)
    assert answer.failure_class() is None

    reader, text = DeltaReader("chat", {}), ""
    for start in range(0, len(raw), size):
        text += "".join(delta.text for delta in reader.feed(raw[start : start + size]))
    text += "".join(delta.text for delta in reader.finish())
    assert (text, reader.finish_reason, reader.find_fault()) == (TEXT, "stop", None)


@pytest.mark.parametrize(
    ("reason", "failure"),
    [
        ("FinishReason.MAX_TOKENS", FailureClass.TRUNCATED),
        ("FINISH_REASON_MAX_TOKENS", FailureClass.TRUNCATED),
        ("FinishReason.SAFETY", FailureClass.CONTENT_FILTER),
    ],
)
def test_a_part_of_a_text_is_no_story_although_its_reason_is_an_enums_name(reason: str, failure: FailureClass) -> None:
    raw = json.dumps({"choices": [{**CHOICE, "finish_reason": reason}]}).encode()
    assert parse_answer("chat", raw, {}).failure_class() is failure


def test_an_error_object_that_says_something_is_a_failure_although_choices_stand_beside_it() -> None:
    with pytest.raises(LlmError, match="overloaded"):
        parse_answer("chat", json.dumps({"error": {"message": "overloaded", "code": 0}, **ANSWER}).encode(), {})


def test_a_page_with_status_200_is_the_providers_bad_day() -> None:
    with pytest.raises(LlmError) as caught:
        parse_answer("chat", b"<!DOCTYPE html><html><body>Down for maintenance</body></html>", {})
    assert caught.value.failure_class is FailureClass.SERVER_ERROR
    assert "maintenance" in caught.value.message
