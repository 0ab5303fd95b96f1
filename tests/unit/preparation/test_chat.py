"""Chat lines: the checks, the conversion both ways, the view of the model."""

from typing import Any

import orjson
import pytest

from services.preparation.billing import default_epochs
from services.preparation.findings.chat_findings import line_problems
from services.preparation.rows.formats import pairs_of_line, to_chat, to_completion
from services.preparation.rows.row_batches import RowBatch
from services.preparation.tokenizers.model_view import view_chat, view_pair
from shared.texts.encodings import count_chat, count_pair, load_encoding, tokens_of_model

USER = {"role": "user", "content": "讲个故事"}
ANSWER = {"role": "assistant", "content": "从前有座山。"}
SYSTEM = {"role": "system", "content": "你是说书人"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "一座山"}


def line(*messages: object, **more: object) -> dict[str, Any]:
    return {"messages": list(messages), **more}


@pytest.mark.parametrize(
    "value",
    [
        line(USER, ANSWER),
        line(SYSTEM, USER, ANSWER, USER, ANSWER),
        line({**USER, "name": "Li"}, {**ANSWER, "weight": 0}, USER, {**ANSWER, "weight": 1}),
        line(USER, CALLING, RESULT, ANSWER, tools=[TOOL]),
        line({"role": "user", "content": [{"type": "text", "text": "讲"}]}, ANSWER),
    ],
)
def test_a_sound_line_has_no_problems(value: dict[str, Any]) -> None:
    assert list(line_problems(value)) == []


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("chat_missing_messages", {"messages": []}),
        ("chat_missing_messages", {"messages": "text"}),
        ("chat_message_not_an_object", line("text", ANSWER)),
        ("chat_message_not_an_object", line({"content": "no role"}, ANSWER)),
        ("chat_unknown_key", line(USER, {**ANSWER, "mood": "good"})),
        ("chat_unknown_key", line(USER, ANSWER, comment="x")),
        ("chat_unknown_role", line({"role": "human", "content": "x"}, ANSWER)),
        ("chat_missing_content", line({"role": "user"}, ANSWER)),
        ("chat_missing_content", line(USER, {"role": "assistant", "content": "  "})),
        ("chat_no_assistant", line(SYSTEM, USER)),
        ("chat_ends_without_assistant", line(USER, ANSWER, USER)),
        ("chat_role_order", line(USER, USER, ANSWER)),
        ("chat_role_order", line(USER, SYSTEM, ANSWER)),
        ("chat_role_order", line(ANSWER, USER, ANSWER)),
        ("chat_bad_weight", line({**USER, "weight": 1}, ANSWER)),
        ("chat_bad_weight", line(USER, {**ANSWER, "weight": 2})),
        ("chat_tool_schema", line(USER, CALLING, RESULT, ANSWER)),
        ("chat_tool_schema", line(USER, CALLING, {**RESULT, "tool_call_id": "c9"}, ANSWER, tools=[TOOL])),
        ("chat_tool_schema", line(USER, {**CALLING, "tool_calls": [{"id": "c1"}]}, ANSWER, tools=[TOOL])),
        ("chat_tool_schema", line(USER, ANSWER, tools=[{"function": {}}])),
    ],
)
def test_a_broken_line_is_told_by_code(code: str, value: dict[str, Any]) -> None:
    assert code in set(line_problems(value))


def _pairs(batch: RowBatch) -> list[tuple[str, str]]:
    return list(zip(batch.prompts, batch.completions, strict=True))


def test_pairs_become_chat_and_come_back() -> None:
    batch = RowBatch([0, 1], [1, 2], ["唐", ""], ["故事一", "故事二"], ["", ""])
    (chat,) = to_chat([batch], system=None)
    assert orjson.loads(chat.records[0]) == {
        "messages": [{"role": "user", "content": "唐"}, {"role": "assistant", "content": "故事一"}]
    }
    (back,) = to_completion([chat])
    assert _pairs(back) == _pairs(batch)


def test_every_trained_turn_of_a_talk_becomes_a_pair() -> None:
    pairs = list(pairs_of_line(line(SYSTEM, USER, {**ANSWER, "weight": 0}, USER, ANSWER)))
    assert pairs == [
        ("System: 你是说书人\n\nUser: 讲个故事\n\nAssistant: 从前有座山。\n\nUser: 讲个故事", "从前有座山。")
    ]


def test_the_view_of_a_pair_shows_tokens_and_the_learnt_part() -> None:
    tokenizer = load_encoding("cl100k_base")
    view = view_pair(tokenizer, "龘😀 ->", " 奥特曼。")
    assert "".join(piece.text for piece in view.pieces) == "龘😀 -> 奥特曼。"
    assert "".join(piece.text for piece in view.pieces if piece.is_trained) == " 奥特曼。"
    assert view.token_count == count_pair(tokenizer, "龘😀 ->", " 奥特曼。")


def test_the_view_of_a_chat_leaves_out_turns_of_weight_zero() -> None:
    record = orjson.dumps(line(USER, {**ANSWER, "weight": 0}, USER, ANSWER)).decode()
    view = view_chat(load_encoding("o200k_base"), record, limit=10)
    trained = "".join(piece.text for piece in view.pieces if piece.is_trained)
    assert trained == "从前有座山。<|im_end|>\n"
    assert view.billed_count == 10


def test_known_token_counts() -> None:
    tokenizer = load_encoding("cl100k_base")
    assert tokenizer.encode("hello world") == [15339, 1917]
    assert load_encoding("o200k_base").encode("hello world") == [24912, 2375]
    record = orjson.dumps(line({"role": "user", "content": "hello world"})).decode()
    assert count_chat(tokenizer, record) == 3 + 3 + 1 + 2


@pytest.mark.parametrize(
    ("model", "encoding", "limit", "is_exact"),
    [
        ("ft:gpt-4o-mini-2024-07-18:org::abc", "o200k_base", 65_536, True),
        ("gpt-3.5-turbo-0125", "cl100k_base", 16_385, True),
        ("babbage-002", "cl100k_base", 16_384, True),
        ("curie:ft-org:ultraman-2023-04-04", "cl100k_base", 2_048, False),
        ("mystery", "o200k_base", None, False),
    ],
)
def test_a_model_counts_as_its_base_does(model: str, encoding: str, limit: int | None, is_exact: bool) -> None:
    found = tokens_of_model(model)
    assert (found.encoding, found.limit, found.is_exact) == (encoding, limit, is_exact)


def test_epochs_follow_the_cookbook() -> None:
    assert [default_epochs(n) for n in (2, 10, 50, 500, 10_000, 40_000)] == [25, 10, 3, 3, 2, 1]
