"""Responses that come to nothing, with the current openai package: what is refused, and how a failure is told."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from tests.support.gateway import Mill, new_name
from tests.support.upstream import MODEL
from tests.support.upstream_script import bad_request

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}


@pytest_asyncio.fixture(loop_scope="module")
async def sdk(mill: Mill) -> AsyncIterator[openai.AsyncOpenAI]:
    """The SDK as anybody would make it."""
    async with openai.AsyncOpenAI(base_url=f"{mill.base_url}/v1", api_key=await mill.key(), max_retries=0) as made:
        yield made


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"truncation": "auto"}, "truncation"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"tools": [WEATHER], "tool_choice": {"type": "web_search"}}, "tool_choice.type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"include": ["web_search_call.results"]}, "include.0"),
        ({"reasoning": {"summary": "detailed"}}, "reasoning.summary"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"nonsense": 1}, "nonsense"),
        ({"input": None}, "input"),
        ({"input": [{"type": "computer_call"}]}, "input.0.type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
            "input.0.content.0.file_id",
        ),
        ({"input": [{"role": "nobody", "content": "x"}]}, "input.0.role"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input.0.output"),
        ({"background": True, "store": False}, "background"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
    ],
)
async def test_what_is_not_supported_is_refused_by_name(
    changes: dict[str, Any], param: str, mill: Mill, sdk: openai.AsyncOpenAI
) -> None:
    before = await mill.count_rows()
    with pytest.raises(openai.BadRequestError) as caught:
        await sdk.post("/responses", cast_to=object, body={"model": MODEL, "input": "x", **changes})
    assert caught.value.param == param
    assert param in str(caught.value)
    assert await mill.count_rows() == before


async def test_failures_have_their_status_and_their_event(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await sdk.responses.create(model="nobody", input="x")
    for streamed in (False, True):
        mill.upstream.queue(bad_request("too much"))
        with pytest.raises(openai.BadRequestError, match="too much"):
            await sdk.responses.create(model=MODEL, input=new_name("x"), stream=streamed)
    mill.upstream.queue(bad_request("too much"))
    made = await sdk.responses.create(model=MODEL, input=new_name("x"), background=True)
    events = [event async for event in await sdk.responses.retrieve(made.id, stream=True)]
    EVENTS.validate_python(events[-1].to_dict())
    assert events[-1].type == "response.failed"
    failed = await sdk.responses.retrieve(made.id)
    assert (failed.status, failed.to_dict()) == ("failed", events[-1].response.to_dict())
    assert failed.error is not None
    assert "too much" in failed.error.message
    with pytest.raises(openai.BadRequestError):
        await sdk.responses.create(model=MODEL, input="x", previous_response_id=made.id)
