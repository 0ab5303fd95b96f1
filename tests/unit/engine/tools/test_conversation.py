"""What a model is told of functions, calls and results."""

import json

import pytest

from services.engine.errors import InvalidRequestError
from services.engine.model.prompts import PromptEncoder
from services.engine.routes.bodies import ChatBody
from services.engine.routes.chat_prompts import read_message, render_messages
from services.engine.routes.tools import read_tool_choice
from tests.support.tiny_models.templates import BRACKETS, CALLING_CHATML, CHATML
from tests.support.tiny_models.tokenizers import build_chat_tokenizer

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "长安"}'}}
TALK = [
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL, CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    {"role": "tool", "tool_call_id": "c1", "content": "rain"},
]


def render(template: str | None, **fields: object) -> str:
    body = ChatBody.model_validate({"messages": TALK, "tools": [WEATHER], **fields})
    choice = read_tool_choice(body)
    messages = [read_message(message, place) for place, message in enumerate(body.messages)]
    encoder = PromptEncoder(build_chat_tokenizer(template))
    return render_messages(messages, encoder, choice.told if choice else ())


def test_a_template_that_knows_functions_tells_them_itself() -> None:
    text = render(CALLING_CHATML)
    assert text.startswith(f"<|im_start|>system\n<tools>\n{json.dumps(WEATHER)}\n</tools>")
    assert text.count('<tool_call>\n{"name": "weather", "arguments": {"city": "长安"}}\n</tool_call>') == 2
    assert text.count("<tool_response>") == 2


@pytest.mark.parametrize(
    "template", [CHATML, None, BRACKETS.replace("system", "tool")], ids=["chatml", "none", "llama"]
)
def test_any_other_template_is_told_in_plain_words(template: str | None) -> None:
    text = render(template)
    assert "You may call functions." in text
    assert json.dumps(WEATHER["function"]) in text
    assert text.index("You may call functions.") < text.index("Weather?")
    assert '<tool_call>\n{"name": "weather", "arguments": {"city": "长安"}}\n</tool_call>' in text
    assert "<tool_response>\nsunny\n</tool_response>\n<tool_response>\nrain\n</tool_response>" in text
    assert text.count("tool\n<tool_response>") == 0


@pytest.mark.parametrize("template", [CHATML, CALLING_CHATML], ids=["chatml", "calling"])
def test_functions_that_may_not_be_called_are_not_told(template: str) -> None:
    assert "weather" not in render(template, tool_choice="none", messages=TALK[:1])


def test_what_was_no_json_is_told_again_as_it_stands() -> None:
    broken = {**CALL, "function": {"name": "weather", "arguments": '{"city'}}
    messages = [TALK[0], {"role": "assistant", "tool_calls": [broken]}]
    assert '"arguments": {"city}' in render(CHATML, messages=messages)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": "required", "tools": None}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice.function.name"),
        ({"tool_choice": {"type": "custom"}}, "tool_choice.type"),
        ({"tools": [{"type": "custom"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        (
            {"tools": [WEATHER, {"type": "function", "function": {"name": "a", "parameters": 1}}]},
            "tools[1].function.parameters",
        ),
        ({"tools": [WEATHER] * 129}, "tools"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "user", "tool_calls": [CALL]}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"type": "custom"}]}]}, "messages[0].tool_calls[0]"),
        ({"messages": [{"role": "assistant", "function_call": {}}]}, "messages[0].function_call"),
        ({"messages": [{"role": "function", "content": "a"}]}, "messages[0].role"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_does_not_fit_is_refused_with_its_name(fields: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        render(CHATML, **fields)
    assert caught.value.param == param
