"""The official client calls functions with the engine. The model is a toy: what it calls means nothing, how it does is
what counts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from openai import BadRequestError, OpenAI, pydantic_function_tool
from pydantic import BaseModel, ConfigDict

from tests.support.live_engine import LiveEngine

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"enum": ["长安", "汴京"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
WEATHER: dict[str, Any] = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}
NOW: dict[str, Any] = {"type": "function", "function": {"name": "now", "description": "The time."}}
MESSAGES: list[Any] = [{"role": "user", "content": "a"}]
CHAT: dict[str, Any] = {"model": "tiny", "messages": MESSAGES, "tools": [WEATHER, NOW], "max_tokens": 150}


class Weather(BaseModel):
    """What the client's own helper makes a strict function of."""

    model_config = ConfigDict(extra="forbid")
    rainy: bool


@pytest.fixture(scope="module")
def engine(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveEngine]:
    """An engine with room for functions: each character is a token here."""
    server = LiveEngine(tiny_folder, tmp_path_factory.mktemp("engine"), dtype="float32", context_length=1536)
    server.wait_until_ready()
    yield server
    server.stop()


def check_call(call: Any) -> None:
    assert call.id.startswith("call_")
    assert call.type == "function"
    schema = PARAMETERS if call.function.name == "weather" else {}
    jsonschema_rs.validate(schema, json.loads(call.function.arguments))


def test_required_calls_are_proper_calls(client: OpenAI) -> None:
    answer = client.chat.completions.create(**CHAT, tool_choice="required", n=4, parallel_tool_calls=False)
    for choice in answer.choices:
        assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
        (call,) = choice.message.tool_calls or []
        check_call(call)


def test_a_named_function_is_the_one_that_is_called(client: OpenAI) -> None:
    choice = {"type": "function", "function": {"name": "now"}}
    (answer,) = client.chat.completions.create(**CHAT, tool_choice=choice).choices
    (call,) = answer.message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("now", "{}")


def test_several_calls_in_one_answer_have_ids_of_their_own(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        **{**CHAT, "tools": [NOW], "max_tokens": 250}, tool_choice="required", n=6, temperature=2, logit_bias={"1": -20}
    )
    calls = [choice.message.tool_calls or [] for choice in answer.choices if choice.finish_reason == "tool_calls"]
    ids = [call.id for several in calls for call in several]
    assert len(set(ids)) == len(ids)
    assert max(len(choice.message.tool_calls or []) for choice in answer.choices) > 1


def test_a_stream_adds_up_to_the_same_calls(client: OpenAI) -> None:
    options = {**CHAT, "tool_choice": "required", "parallel_tool_calls": False, "seed": 5}
    (whole,) = client.chat.completions.create(**options).choices[0].message.tool_calls or []
    chunks = list(client.chat.completions.create(**options, stream=True))
    pieces = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert (pieces[0].id or "").startswith("call_")
    assert pieces[0].function is not None
    assert (pieces[0].index, pieces[0].type, pieces[0].function.name) == (0, "function", whole.function.name)
    assert "".join((piece.function.arguments if piece.function else "") or "" for piece in pieces) == (
        whole.function.arguments
    )
    assert all(piece.id is None for piece in pieces[1:])
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    assert not any(chunk.choices[0].delta.content for chunk in chunks)


def test_the_clients_own_accumulator_reads_the_stream(client: OpenAI) -> None:
    options = {**CHAT, "tools": [pydantic_function_tool(Weather)], "tool_choice": "required"}
    with client.chat.completions.stream(**options, parallel_tool_calls=False) as stream:
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls or []
    assert isinstance(call.function.parsed_arguments, Weather)


def test_auto_answers_text_or_begins_a_call_that_ends(client: OpenAI) -> None:
    begin = {str(token): 0.0 for token in range(5)}
    for bias in (begin, {"64": 100}):  # 64: the byte of "<", with which a call begins
        answer = client.chat.completions.create(
            **{**CHAT, "max_tokens": 30}, n=4, logit_bias=bias, extra_body={"tool_choice": "auto"}
        )
        for choice in answer.choices:
            assert choice.finish_reason in {"stop", "length", "tool_calls"}
            assert bool(choice.message.tool_calls) or isinstance(choice.message.content, str)


def test_none_calls_nothing(client: OpenAI) -> None:
    with_none = client.chat.completions.create(**CHAT, tool_choice="none", seed=1, temperature=0)
    without = client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=150, seed=1, temperature=0)
    assert with_none.choices[0].message.content == without.choices[0].message.content
    assert with_none.usage == without.usage


def test_calls_and_results_are_read_again(client: OpenAI) -> None:
    (answer,) = client.chat.completions.create(**CHAT, tool_choice="required", parallel_tool_calls=False).choices
    (call,) = answer.message.tool_calls or []
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    again = client.chat.completions.create(**{**CHAT, "messages": [*MESSAGES, answer.message, result], "max_tokens": 5})
    first = client.chat.completions.create(**CHAT)
    assert again.usage is not None
    assert first.usage is not None
    assert again.usage.prompt_tokens > first.usage.prompt_tokens + 50
    refused = {"functions": [], "function_call": "auto", "audio": {}, "modalities": ["audio"], "web_search_options": {}}
    for name, value in refused.items():
        with pytest.raises(BadRequestError) as caught:
            client.chat.completions.create(model="tiny", messages=MESSAGES, extra_body={name: value})
        assert caught.value.param == name


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "hero"}}}]}, "tools"),
        ({"guided_regex": "a"}, "guided_regex"),
        ({"tool_choice": {"type": "function", "function": {"name": "no"}}}, "tool_choice.function.name"),
    ],
    ids=["schema", "guided", "unknown"],
)
def test_what_is_not_supported_beside_tools_is_refused(client: OpenAI, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.chat.completions.create(model="tiny", messages=MESSAGES, extra_body={"tools": [NOW], **fields})
    assert caught.value.param == param


def test_a_form_beside_tools_holds_the_text(client: OpenAI) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": {"const": [1]}}}
    answer = client.chat.completions.create(**{**CHAT, "tools": [NOW]}, response_format=form, n=6, temperature=2)
    for choice in answer.choices:
        assert choice.message.content == "[1]" or choice.message.tool_calls
