"""Training lines: what is accepted, and the reason given for what is not."""

import json

import pytest

from services.engine.training.examples import (
    ChatExample,
    CompletionExample,
    PreferenceExample,
    Turn,
    parse_lines,
)

USER = {"role": "user", "content": "hi"}
ANSWER = {"role": "assistant", "content": "hello"}


def parse(*records: object) -> object:
    return parse_lines(record if isinstance(record, bytes) else json.dumps(record).encode() for record in records)


def test_completion_lines_are_read() -> None:
    found = parse({"prompt": "唐 ->", "completion": " 故事"})
    assert found.examples == [CompletionExample("唐 ->", " 故事")]
    assert found.format == "completion"


def test_chat_lines_learn_only_the_assistant_and_obey_weights() -> None:
    found = parse({"messages": [USER, {**ANSWER, "weight": 0}, USER, ANSWER]})
    assert isinstance(found.examples[0], ChatExample)
    assert [turn.learned for turn in found.examples[0].turns] == [False, False, False, True]


def test_preference_lines_are_read() -> None:
    other = {"role": "assistant", "content": "go away"}
    found = parse({"input": {"messages": [USER]}, "preferred_output": [ANSWER], "non_preferred_output": [other]})
    assert found.format == "preference"
    assert isinstance(found.examples[0], PreferenceExample)
    assert found.examples[0].rejected == Turn("assistant", "go away", learned=True)


def test_blank_lines_and_a_byte_order_mark_are_passed_over() -> None:
    found = parse_lines([b'\xef\xbb\xbf{"prompt":"a","completion":"b"}\n', b"\n", b'{"prompt":"c","completion":"d"}\n'])
    assert len(found.examples) == 2
    assert not found.problems


def test_a_problem_names_its_own_line() -> None:
    good = b'{"prompt":"a","completion":"b"}\n'
    found = parse_lines([good, b"\n", b"oops\n", good])
    assert [problem.line for problem in found.problems] == [3]
    assert len(found.examples) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON at column"),
        (b'{"prompt":"\xff"}', "not UTF-8 at byte 12"),
        (b"[" * 100_000, "nested too deeply"),
        ([], "expected a JSON object, found a list"),
        (3, "expected a JSON object, found a number"),
        ({}, 'neither "messages" nor "prompt"'),
        ({"prompt": "a"}, '"completion" is missing'),
        ({"completion": "a"}, '"prompt" is missing'),
        ({"prompt": 1, "completion": "a"}, '"prompt" must be a string, found a number'),
        ({"prompt": "a", "completion": None}, '"completion" must be a string, found null'),
        ({"prompt": "a", "completion": "  "}, '"completion" is empty'),
        (b'{"prompt":"a","completion":"\\ud800"}', "lone surrogate"),
        ({"messages": []}, '"messages" must be a list of at least one message'),
        ({"messages": "x"}, '"messages" must be a list of at least one message'),
        ({"messages": ["x"]}, "messages[0] must be an object, found a string"),
        ({"messages": [USER]}, "no assistant message to learn from"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role must be one of"),
        ({"messages": [USER, {"role": "assistant", "content": ""}]}, "messages[1].content is empty"),
        ({"messages": [USER, {"role": "assistant"}]}, "messages[1].content is missing"),
        ({"messages": [USER, {**ANSWER, "weight": 2}]}, "messages[1].weight must be 0 or 1"),
        (
            {"messages": [USER, {"role": "assistant", "tool_calls": [{}]}]},
            "messages[1].tool_calls[0].function must be an object with a name and arguments",
        ),
        ({"input": {}, "preferred_output": [ANSWER]}, '"input" must be an object with "messages"'),
        (
            {"input": {"messages": [USER]}, "preferred_output": [ANSWER, ANSWER], "non_preferred_output": [ANSWER]},
            '"preferred_output" must hold exactly one assistant message',
        ),
        (
            {"input": {"messages": [USER]}, "preferred_output": [ANSWER]},
            '"non_preferred_output" must be a list',
        ),
    ],
)
def test_a_bad_line_gets_a_reason(line: object, reason: str) -> None:
    found = parse(line)
    assert not found.examples
    assert reason in found.problems[0].reason


def test_one_file_holds_one_format() -> None:
    found = parse({"prompt": "a", "completion": "b"}, {"messages": [USER, ANSWER]})
    assert found.problems[0].line == 2
    assert "this is a chat example, but the file began with completion examples" in found.problems[0].reason
