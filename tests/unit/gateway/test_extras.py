"""Tool calls, log probabilities and refusals, put together from deltas."""

from services.gateway.interactive.extras import merge_extras


def test_nothing_makes_nothing() -> None:
    assert merge_extras(None) == {}
    assert merge_extras({"deltas": []}) == {}


def test_tool_calls_are_joined_by_their_index() -> None:
    deltas = [
        {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}, {"index": 1, "function": {"arguments": "}"}}]},
    ]
    assert merge_extras({"deltas": deltas}) == {
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ]
    }


def test_texts_and_lists_are_joined() -> None:
    deltas = [
        {"refusal": "I ", "logprobs": {"content": [1], "refusal": None}},
        {"refusal": "cannot", "logprobs": {"content": [2], "refusal": None}},
    ]
    assert merge_extras({"deltas": deltas}) == {"refusal": "I cannot", "logprobs": {"content": [1, 2], "refusal": None}}
