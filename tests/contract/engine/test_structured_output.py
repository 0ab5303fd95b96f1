"""Answers of a form: every one that the model writes parses and is what was asked for, alone and among others."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import httpx2
import jsonschema_rs
import pytest
from openai import BadRequestError, LengthFinishReasonError, OpenAI
from pydantic import BaseModel, Field

from tests.support.live_engine import LiveEngine

MESSAGES: list[Any] = [{"role": "user", "content": "a hero"}]
CHAT = {"model": "tiny", "messages": MESSAGES}
NO_END = {"1": -100}
SCHEMA = {
    "type": "object",
    "properties": {"dynasty": {"enum": ["唐", "宋"]}, "age": {"type": "integer", "maximum": 99, "minimum": 0}},
    "required": ["dynasty", "age"],
    "additionalProperties": False,
}
STRICT = {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA, "strict": True}}


class Hero(BaseModel):
    """What the client's own helper makes a schema of."""

    dynasty: Literal["唐", "宋", "明"]
    age: int = Field(ge=0, le=999)
    powers: list[Literal["flight", "隐形"]] = Field(min_length=1, max_length=2)


@pytest.mark.parametrize("temperature", [0, 1.5])
def test_the_clients_parse_gives_its_class(client: OpenAI, temperature: float) -> None:
    for seed in range(5):
        answer = client.chat.completions.parse(**CHAT, response_format=Hero, seed=seed, temperature=temperature)
        assert answer.choices[0].finish_reason == "stop"
        assert isinstance(answer.choices[0].message.parsed, Hero)


def test_each_of_several_choices_obeys_the_schema(client: OpenAI) -> None:
    answer = client.chat.completions.create(**CHAT, response_format=STRICT, n=8, temperature=2)
    texts = [choice.message.content or "" for choice in answer.choices]
    for text in texts:
        jsonschema_rs.validate(SCHEMA, json.loads(text))
    assert len(set(texts)) > 1


def test_a_stream_adds_up_to_the_same_json(client: OpenAI) -> None:
    options = {**CHAT, "response_format": STRICT, "seed": 3}
    whole = client.chat.completions.create(**options).choices[0].message.content
    chunks = list(client.chat.completions.create(**options, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len(chunks) > 4


def test_json_without_a_schema_is_an_object_or_cut_at_its_tokens(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        **CHAT, response_format={"type": "json_object"}, n=12, max_tokens=200, temperature=1.5
    )
    for choice in answer.choices:
        assert (choice.message.content or "").startswith("{")
        if choice.finish_reason == "stop":
            assert isinstance(json.loads(choice.message.content or ""), dict)


def test_what_does_not_end_in_time_ends_with_length(client: OpenAI) -> None:
    endless = {"type": "string", "minLength": 1000}
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "schema": endless, "strict": True}}
    answer = client.chat.completions.create(**CHAT, response_format=wanted, max_tokens=20)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 20
    with pytest.raises(LengthFinishReasonError):
        client.chat.completions.parse(**CHAT, response_format=Hero, max_tokens=2)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"guided_choice": ["唐朝", "宋朝"]}, r"唐朝|宋朝"),
        ({"guided_regex": r"[ab]{3}-\d\d"}, r"[ab]{3}-\d\d"),
        ({"guided_grammar": 'root ::= "x" ("y" | "z")'}, "x[yz]"),
        ({"guided_json": json.dumps({"enum": ["a", 1]})}, '"a"|1'),
        ({"structured_outputs": {"json": {"type": "boolean"}}}, "true|false"),
        ({"structured_outputs": {"choice": ["a", "b"], "regex": None}}, "a|b"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"const": 7}}}}, "7"),
    ],
    ids=str,
)
def test_guided_fields_hold_completions_and_chats(client: OpenAI, fields: dict[str, Any], expected: str) -> None:
    text = client.completions.create(model="tiny", prompt="a", max_tokens=60, extra_body=fields).choices[0]
    chat = client.chat.completions.create(**CHAT, max_tokens=60, extra_body=fields).choices[0]
    for said, reason in ((text.text, text.finish_reason), (chat.message.content, chat.finish_reason)):
        assert re.fullmatch(expected, said or "")
        assert reason == "stop"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "hero"}}}},
            "response_format.json_schema.schema",
        ),
        ({"guided_regex": "("}, "guided_regex"),
        ({"guided_json": "{"}, "guided_json"),
        ({"guided_json": "3"}, "guided_json"),
        ({"guided_choice": []}, "guided_choice"),
        ({"guided_grammar": "start: nowhere"}, "guided_grammar"),
        ({"guided_decoding_backend": "outlines"}, "guided_decoding_backend"),
        ({"guided_whitespace_pattern": " "}, "guided_whitespace_pattern"),
        ({"structured_outputs": {"structural_tag": "x"}}, "structured_outputs.structural_tag"),
        ({"structured_outputs": {"regex": 3}}, "structured_outputs.regex"),
        ({"guided_regex": "a", "response_format": {"type": "json_object"}}, "guided_regex"),
        ({"guided_json": {"enum": ["x" * 300_000]}}, "guided_json"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_not_supported_is_refused_with_its_name(client: OpenAI, fields: dict[str, Any], param: str) -> None:
    for ask in (
        lambda: client.chat.completions.create(**CHAT, extra_body=fields),
        lambda: client.completions.create(model="tiny", prompt="a", extra_body=fields),
    ):
        with pytest.raises(BadRequestError) as caught:
            ask()
        assert caught.value.param == param


def test_free_texts_beside_held_ones_stay_as_they_are(client: OpenAI) -> None:
    free = {"model": "tiny", "prompt": "唐", "max_tokens": 40, "seed": 1, "logit_bias": NO_END}
    alone = client.completions.create(**free).choices[0].text

    def hold(seed: int) -> str | None:
        return client.chat.completions.create(**CHAT, response_format=STRICT, seed=seed).choices[0].message.content

    with ThreadPoolExecutor(8) as threads:
        held = [threads.submit(hold, seed) for seed in range(6)]
        beside = [threads.submit(client.completions.create, **free) for _ in range(2)]
    assert [one.result().choices[0].text for one in beside] == [alone, alone]
    assert [one.result() for one in held] == [hold(seed) for seed in range(6)]


def test_log_probabilities_of_held_texts_are_numbers(engine: LiveEngine) -> None:
    body = {**CHAT, "response_format": STRICT, "logprobs": True, "top_logprobs": 5}
    answer = httpx2.post(f"{engine.url}/v1/chat/completions", json=body).json()
    tokens = answer["choices"][0]["logprobs"]["content"]
    assert all(isinstance(one["logprob"], float) for token in tokens for one in (token, *token["top_logprobs"]))
