"""The current openai package with only base URL and key set."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import openai
import pytest
import pytest_asyncio

from tests.support.gateway import Mill, new_name
from tests.support.stack import eventually
from tests.support.upstream import MODEL
from tests.support.upstream_script import Script, rate_limited, server_error, story_for

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def sdk(mill: Mill) -> AsyncIterator[openai.AsyncOpenAI]:
    """The SDK as anybody would make it."""
    async with openai.AsyncOpenAI(base_url=f"{mill.base_url}/v1", api_key=await mill.key()) as made:
        yield made


async def test_completions_whole_and_streamed(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    prompt = new_name("写一个故事")
    whole = await sdk.completions.create(model=MODEL, prompt=prompt, max_tokens=100)
    assert whole.choices[0].text == story_for({"prompt": prompt})
    assert whole.usage is not None
    assert whole._request_id is not None
    assert whole._request_id.startswith("req_")
    stream = await sdk.completions.create(
        model=MODEL, prompt=prompt, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage


async def test_chats_whole_and_streamed(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    prompt = new_name("写一个故事")
    message = {"role": "user", "content": prompt}
    whole = await sdk.chat.completions.create(model=MODEL, messages=[message], n=2)  # type: ignore[list-item]
    assert [choice.message.content for choice in whole.choices] == [story_for({"prompt": prompt})] * 2
    async with sdk.chat.completions.stream(model=MODEL, messages=[message]) as stream:  # type: ignore[list-item]
        final = await stream.get_final_completion()
    assert final.choices[0].message.content == story_for({"prompt": prompt})
    assert final.choices[0].finish_reason == "stop"


async def test_the_stream_id_is_in_the_headers(mill: Mill, sdk: openai.AsyncOpenAI, client: httpx2.AsyncClient) -> None:
    raw = await sdk.completions.with_raw_response.create(model=MODEL, prompt=new_name("x"))
    stream_id = raw.headers["x-storymill-stream-id"]
    async with await mill.client() as mine:
        assert (await mine.get(f"/v1/streams/{stream_id}")).json()["text"] == raw.parse().choices[0].text


async def test_models_are_listed(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    assert MODEL in [model.id async for model in await sdk.models.list()]
    assert (await sdk.models.retrieve(MODEL)).object == "model"


async def test_each_error_is_its_own_class(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        await sdk.completions.create(model="nobody", prompt="x")
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError):
        await sdk.completions.create(model=MODEL, prompt="x", temperature=9)
    with pytest.raises(openai.AuthenticationError):
        await sdk.with_options(api_key="sm_wrong").models.list()
    with pytest.raises(openai.NotFoundError):
        await sdk.files.retrieve("file-1")


async def test_a_provider_in_trouble_is_retried_by_the_worker_alone(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    prompt = new_name("x")
    mill.upstream.queue(rate_limited(), server_error(503))
    whole = await sdk.with_options(max_retries=0).completions.create(model=MODEL, prompt=prompt)
    assert whole.choices[0].text == story_for({"prompt": prompt})
    assert len(mill.upstream.calls_for(prompt)) == 3


async def test_a_refused_call_is_not_sent_again_by_the_sdk(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    prompt = new_name("x")
    mill.upstream.queue(Script(status=401, error={"message": "bad key", "type": "x", "param": None, "code": None}))
    with pytest.raises(openai.APIStatusError) as caught:
        await sdk.completions.create(model=MODEL, prompt=prompt)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(mill.upstream.calls_for(prompt)) == 1


async def test_leaving_a_stream_early_closes_the_call_upstream(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    prompt = new_name("x")
    mill.upstream.queue(Script(gate=asyncio.Event(), tokens_before_gate=2))
    stream = await sdk.completions.create(model=MODEL, prompt=prompt, stream=True)
    async for _ in stream:
        break
    await stream.close()
    call = mill.upstream.calls_for(prompt)[0]
    await eventually(lambda: call.closed_by_client_at is not None, what="the upstream call to be closed")
