"""Responses with the current openai package: its types are the contract, its helpers read what we send."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Literal

import openai
import pytest
import pytest_asyncio
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, ConfigDict, TypeAdapter

from tests.support.gateway import Mill, new_name
from tests.support.stack import eventually
from tests.support.upstream import MODEL
from tests.support.upstream_script import Script, story_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "weather",
    "description": "Says the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": True,
}


class Hero(BaseModel):
    """What a structured answer holds."""

    model_config = ConfigDict(extra="forbid")
    name: str
    side: Literal["light", "dark"]


@pytest_asyncio.fixture(loop_scope="module")
async def sdk(mill: Mill) -> AsyncIterator[openai.AsyncOpenAI]:
    """The SDK as anybody would make it."""
    async with openai.AsyncOpenAI(base_url=f"{mill.base_url}/v1", api_key=await mill.key(), max_retries=0) as made:
        yield made


def said(*choices: dict[str, Any], usage: dict[str, Any] | None = None, **told: str) -> Script:
    """A provider's stream of these choices."""
    bodies: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "finish_reason": None, **choice}], **told} for choice in choices
    ]
    bodies += [{"choices": [], "usage": usage, **told}] if usage else []
    return Script(raw_chunks=(*(f"data: {json.dumps(body)}\n\n".encode() for body in bodies), b"data: [DONE]\n\n"))


def call_piece(index: int, arguments: str, **named: str) -> dict[str, Any]:
    """A piece of a tool call."""
    name = {"name": named.pop("name")} if "name" in named else {}
    return {"index": index, **named, "function": {**name, "arguments": arguments}}


def check_whole(response: Response) -> None:
    """Hold a response to the SDK's types, strictly: the SDK itself takes anything."""
    Response.model_validate(response.to_dict(), strict=True)


async def test_a_text_is_written_and_told_again(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    prompt = new_name("写一个故事")
    made = await sdk.responses.create(
        model=MODEL, input=prompt, instructions="简短。", max_output_tokens=100, temperature=0.5, metadata={"a": "b"}
    )
    check_whole(made)
    assert made.output_text == story_for({"prompt": prompt})
    assert (made.status, made.error, made.incomplete_details) == ("completed", None, None)
    assert made.usage is not None
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens > 0
    assert (made.instructions, made.temperature, made.metadata) == ("简短。", 0.5, {"a": "b"})
    sent = mill.upstream.calls_for(prompt)[0].body
    assert sent["messages"] == [{"role": "system", "content": "简短。"}, {"role": "user", "content": prompt}]
    assert (sent["max_tokens"], sent["temperature"]) == (100, 0.5)
    assert not {"instructions", "input", "store", "metadata", "tools"} & set(sent)
    assert (await sdk.responses.retrieve(made.id)).to_dict() == made.to_dict()


async def test_a_response_goes_on_from_the_one_before(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    first_prompt, second_prompt = new_name("first"), new_name("second")
    first = await sdk.responses.create(model=MODEL, input=first_prompt, instructions="be brief")
    second = await sdk.responses.create(
        model=MODEL, input=second_prompt, instructions="be kind", previous_response_id=first.id
    )
    assert second.previous_response_id == first.id
    assert mill.upstream.calls_for(second_prompt)[0].body["messages"] == [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": first_prompt},
        {"role": "assistant", "content": first.output_text},
        {"role": "user", "content": second_prompt},
    ]
    items = await sdk.responses.input_items.list(second.id, include=["message.input_image.image_url"])
    assert [(item.type, item.content[0].text) for item in items.data] == [("message", second_prompt)]  # type: ignore[union-attr]
    third = new_name("third")
    reference: Any = [{"type": "item_reference", "id": first.output[0].id}, {"role": "user", "content": third}]
    await sdk.responses.create(model=MODEL, input=reference)
    assert mill.upstream.calls_for(third)[0].body["messages"][0]["content"] == first.output_text


async def test_what_was_deleted_or_not_stored_is_not_there(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    kept = await sdk.responses.create(model=MODEL, input=new_name("x"))
    await sdk.responses.delete(kept.id)
    loose = await sdk.responses.create(model=MODEL, input=new_name("x"), store=False)
    assert loose.to_dict()["store"] is False
    for gone in (kept.id, loose.id):
        with pytest.raises(openai.NotFoundError):
            await sdk.responses.retrieve(gone)
        with pytest.raises(openai.NotFoundError) as caught:
            await sdk.responses.create(model=MODEL, input="x", previous_response_id=gone)
        assert caught.value.code == "previous_response_not_found"
    async with openai.AsyncOpenAI(base_url=f"{mill.base_url}/v1", api_key=await mill.key(new_name("p"))) as stranger:
        mine = await sdk.responses.create(model=MODEL, input=new_name("x"))
        with pytest.raises(openai.NotFoundError):
            await stranger.responses.retrieve(mine.id)


async def test_a_stream_tells_every_step_with_its_number(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    prompt = new_name("写一个故事")
    events = [event async for event in await sdk.responses.create(model=MODEL, input=prompt, stream=True)]
    text = story_for({"prompt": prompt})
    for event in events:
        EVENTS.validate_python(event.to_dict())
    kinds = [event.type for event in events if event.type != "response.output_text.delta"]
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert "".join(event.delta for event in deltas) == text
    assert deltas[-1].sequence_number == 3 + len(text)
    assert events[-1].sequence_number == 3 + len(text) + 4
    assert events[-1].type == "response.completed"
    check_whole(events[-1].response)
    assert (await sdk.responses.retrieve(events[-1].response.id)).to_dict() == events[-1].response.to_dict()
    async with sdk.responses.stream(model=MODEL, input=prompt) as stream:
        final = await stream.get_final_response()
    assert final.output_text == text


async def test_a_background_response_is_cancelled_and_keeps_its_text(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    prompt = new_name("x")
    mill.upstream.queue(Script(gate=asyncio.Event(), tokens_before_gate=3))
    made = await sdk.responses.create(model=MODEL, input=prompt, background=True)
    await eventually(lambda: bool(mill.upstream.calls_for(prompt)), what="the call upstream")
    call = mill.upstream.calls_for(prompt)[0]
    await eventually(lambda: call.tokens_sent == 3, what="three tokens")
    ended = await sdk.responses.cancel(made.id)
    check_whole(ended)
    assert ended.status == "cancelled"
    assert story_for({"prompt": prompt}).startswith(ended.output_text)
    events = [event async for event in await sdk.responses.retrieve(made.id, stream=True)]
    assert events[-1].type == "response.failed"
    assert events[-1].response.status == "cancelled"
    waited_on = await sdk.responses.create(model=MODEL, input=new_name("y"))
    with pytest.raises(openai.BadRequestError):
        await sdk.responses.cancel(waited_on.id)


async def test_tools_are_called_and_answered(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    calls = [
        call_piece(0, "", id="call_a", type="function", name="weather"),
        call_piece(1, "", id="call_b", type="function", name="weather"),
        call_piece(0, '{"city": '),
        call_piece(1, '{"city": "宋"}'),
        call_piece(0, '"唐"}'),
    ]
    script = said(
        {"delta": {"reasoning_content": "想想"}},
        *({"delta": {"tool_calls": [call]}} for call in calls),
        {"delta": {}, "finish_reason": "tool_calls"},
    )
    mill.upstream.queue(script, script)
    prompt = new_name("weather")
    choice: Any = {"type": "function", "name": "weather"}
    made = await sdk.responses.create(model=MODEL, input=prompt, tools=[WEATHER], tool_choice=choice)  # type: ignore[list-item]
    check_whole(made)
    assert [item.type for item in made.output] == ["reasoning", "function_call", "function_call"]
    told = [(item.call_id, item.name, item.arguments) for item in made.output if item.type == "function_call"]
    assert told == [("call_a", "weather", '{"city": "唐"}'), ("call_b", "weather", '{"city": "宋"}')]
    sent = mill.upstream.calls_for(prompt)[0].body
    assert sent["tools"] == [
        {"type": "function", "function": {name: WEATHER[name] for name in WEATHER if name != "type"}}
    ]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    stream = await sdk.responses.create(model=MODEL, input=prompt, tools=[WEATHER], stream=True)  # type: ignore[list-item]
    events = [event async for event in stream]
    for event in events:
        EVENTS.validate_python(event.to_dict())
    done = [event.arguments for event in events if event.type == "response.function_call_arguments.done"]
    assert done == [arguments for _, _, arguments in told]
    assert [event.text for event in events if event.type == "response.reasoning_text.done"] == ["想想"]
    results: Any = [{"type": "function_call_output", "call_id": name, "output": f"晴 {prompt}"} for name, _, _ in told]
    after = await sdk.responses.create(model=MODEL, input=results, previous_response_id=made.id)
    messages = mill.upstream.calls_for(f"晴 {prompt}")[0].body["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool"]
    assert [call["id"] for call in messages[1]["tool_calls"]] == ["call_a", "call_b"]
    assert messages[1]["reasoning_content"] == "想想"
    assert after.output_text


async def test_a_structured_answer_is_parsed(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    prompt = new_name("hero")
    mill.upstream.queue(Script(text='{"name": "李白", "side": "light"}'))
    parsed = await sdk.responses.parse(model=MODEL, input=prompt, text_format=Hero)
    assert parsed.output_parsed == Hero(name="李白", side="light")
    sent = mill.upstream.calls_for(prompt)[0].body["response_format"]
    assert (sent["type"], sent["json_schema"]["name"], sent["json_schema"]["strict"]) == ("json_schema", "Hero", True)
    assert sent["json_schema"]["schema"]["required"] == ["name", "side"]


async def test_a_text_cut_at_its_limit_is_incomplete(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    prompt = new_name("x")
    made = await sdk.responses.create(model=MODEL, input=prompt, max_output_tokens=3)
    check_whole(made)
    assert made.status == "incomplete"
    assert made.incomplete_details is not None
    assert made.incomplete_details.reason == "max_output_tokens"
    assert made.output[0].status == "incomplete"  # type: ignore[union-attr]
    events = [event async for event in await sdk.responses.retrieve(made.id, stream=True)]
    assert events[-1].type == "response.incomplete"


async def test_nothing_that_the_provider_tells_is_lost(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    link = {"start_index": 0, "end_index": 1, "title": "t", "url": "https://example.test"}
    token = {"token": "从", "logprob": -0.5, "bytes": [1], "top_logprobs": []}
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    script = said(
        {"delta": {"content": "从"}, "logprobs": {"content": [token]}},
        {"delta": {"annotations": [{"type": "url_citation", "url_citation": link}]}},
        {"delta": {"refusal": "no"}, "finish_reason": "stop"},
        usage=usage,
        system_fingerprint="fp_1",
        service_tier="flex",
    )
    mill.upstream.queue(*[script] * 3)
    made = await sdk.responses.create(
        model=MODEL, input=new_name("x"), include=["message.output_text.logprobs"], top_logprobs=0
    )
    check_whole(made)
    text, refusal = made.output[0].content  # type: ignore[union-attr, misc]
    assert text.annotations[0].to_dict() == {"type": "url_citation", **link}
    assert text.logprobs[0].token == "从"
    assert refusal.refusal == "no"
    assert made.usage is not None
    assert made.usage.input_tokens_details.cached_tokens == 4
    assert made.usage.output_tokens_details.reasoning_tokens == 5
    assert made.service_tier == "flex"
    messages: Any = [{"role": "user", "content": new_name("x")}]
    chat = await sdk.chat.completions.create(model=MODEL, messages=messages)
    assert chat.usage is not None
    assert chat.usage.to_dict() == usage
    assert (chat.system_fingerprint, chat.service_tier) == ("fp_1", "flex")
    options: Any = {"include_usage": True}
    stream = await sdk.chat.completions.create(model=MODEL, messages=messages, stream=True, stream_options=options)
    chunks = [chunk async for chunk in stream]
    assert (chunks[-1].usage, chunks[-1].system_fingerprint) == (chat.usage, "fp_1")
    with_text = next(chunk.choices[0] for chunk in chunks if chunk.choices and chunk.choices[0].delta.content)
    assert with_text.logprobs is not None


async def test_another_text_after_a_break_ends_the_stream(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    mill.upstream.queue(Script(text="从前有一个", cut_after_tokens=2), Script(text="另一个故事"))
    events = [event async for event in await sdk.responses.create(model=MODEL, input=new_name("x"), stream=True)]
    assert events[-1].type == "response.failed"
    assert events[-1].response.error is not None
    assert events[-1].response.error.code == "restarted"
