"""Through the gateway the engine counts tokens and embeds texts, as clients of vLLM, llama.cpp and OpenAI ask."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import numpy
import openai
import pytest
import pytest_asyncio

from shared.auth.principal import READ
from tests.support.gateway import Mill, assert_openai_error
from tests.support.gateway_fixtures import Stores
from tests.support.tuning_mill import BASE, open_tuning_mill

pytestmark = pytest.mark.asyncio(loop_scope="module")

MESSAGES = [{"role": "user", "content": "hi 唐"}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine_mill(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mill]:
    """A mill whose one provider is a real engine."""
    async with open_tuning_mill(tmp_path_factory.mktemp("engine-mill"), stores) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def sdk(engine_mill: Mill) -> AsyncIterator[openai.AsyncOpenAI]:
    """The SDK as anybody would make it."""
    async with openai.AsyncOpenAI(base_url=f"{engine_mill.base_url}/v1", api_key=await engine_mill.key()) as made:
        yield made


async def test_tokens_are_counted_as_the_model_counts_them(engine_mill: Mill) -> None:
    async with await engine_mill.client(scopes=(READ,)) as client:
        asked: dict[str, Any] = {"model": BASE, "prompt": "唐 ab", "return_token_strs": True}
        said = (await client.post("/tokenize", json=asked)).json()
        assert said["count"] == len(said["tokens"]) == len(said["token_strs"]) > 3
        assert said["max_model_len"] > 0
        without_model = (await client.post("/tokenize", json={**asked, "model": None})).json()
        assert without_model == said
        chat = (await client.post("/tokenize", json={"model": BASE, "messages": MESSAGES})).json()
        assert chat["count"] > 3
        text = (await client.post("/detokenize", json={"model": BASE, "tokens": said["tokens"]})).json()
        assert text == {"prompt": "<bos>唐 ab", "content": "<bos>唐 ab"}
        pieces = (await client.post("/tokenize", json={"content": "唐 ab", "with_pieces": True})).json()["tokens"]
        assert "".join(one["piece"] for one in pieces) == "唐 ab"
        for path in ("/tokenizer_info", f"/tokenizer_info?model={BASE}"):
            assert (await client.get(path)).json()["eos_token"] == "<eos>"


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/tokenize", {}, 400, None),
        ("/tokenize", {"prompt": "a", "content": "a"}, 400, None),
        ("/tokenize", {"prompt": "a", "model": "nobody"}, 404, "model"),
        ("/tokenize", {"messages": MESSAGES, "chat_template": "x"}, 400, "chat_template"),
        ("/tokenize", {"prompt": "a" * 900_000}, 400, "prompt"),
        ("/detokenize", {"tokens": [-1]}, 400, "tokens.0"),
        ("/detokenize", {"tokens": [999_999]}, 400, "tokens"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_what_cannot_be_counted_is_refused(
    engine_mill: Mill, path: str, body: dict[str, Any], status: int, param: str | None
) -> None:
    async with await engine_mill.client() as client:
        assert_openai_error(await client.post(path, json=body), status, param=param)


async def test_counting_needs_a_key(engine_mill: Mill) -> None:
    async with httpx2.AsyncClient(base_url=engine_mill.base_url) as anyone:
        assert_openai_error(await anyone.post("/tokenize", json={"prompt": "a"}), 401)


async def test_the_official_client_embeds_at_its_default(engine_mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    texts = ["唐朝的一位英雄", "a", "The hero met a monster."]
    answer = await sdk.embeddings.create(model=BASE, input=texts)
    spelled = await sdk.embeddings.create(model=BASE, input=texts, encoding_format="float")
    vectors = numpy.array([item.embedding for item in answer.data])
    assert [item.index for item in answer.data] == [0, 1, 2]
    assert vectors == pytest.approx(numpy.array([item.embedding for item in spelled.data]), abs=1e-6)
    assert numpy.linalg.norm(vectors, axis=1) == pytest.approx(numpy.ones(3), abs=1e-5)
    assert answer.model == BASE
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 3
    with pytest.raises(openai.BadRequestError) as refused:
        await sdk.embeddings.create(model=BASE, input="a", dimensions=3)
    assert refused.value.param == "dimensions"


async def test_nobody_moderates_here_and_the_answer_says_what_to_do(sdk: openai.AsyncOpenAI) -> None:
    for model in (openai.omit, BASE):
        with pytest.raises(openai.NotFoundError, match=r"providers\.toml"):
            await sdk.moderations.create(input="a", model=model)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_text_that_ignores_its_end_comes_through_whole(sdk: openai.AsyncOpenAI, stream: bool) -> None:
    asked: dict[str, Any] = {"model": BASE, "max_tokens": 12, "logit_bias": {"1": 100}, "temperature": 0}
    asked |= {"messages": MESSAGES, "extra_body": {"ignore_eos": True}}
    if stream:
        told = await sdk.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in told]
        reason, usage = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1], chunks[-1].usage
    else:
        answer = await sdk.chat.completions.create(**asked)
        reason, usage = answer.choices[0].finish_reason, answer.usage
    assert usage is not None
    assert (reason, usage.completion_tokens) == ("length", 12)
