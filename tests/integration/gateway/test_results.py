"""Embeddings and moderations of a provider: rows of the same queue, with its own answer, on the same books."""

import asyncio
import base64
import json
from array import array
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest
import pytest_asyncio
from sqlalchemy import select

from shared.stores.db.models import Attempt, Completion, LedgerEntry
from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.interactive import eventually_async
from tests.support.upstream import MODEL, Call
from tests.support.upstream_script import Script, bad_request

pytestmark = pytest.mark.asyncio(loop_scope="module")

VECTORS = [[0.5, -0.25, 1.0], [0.0, 0.125, -1.0]]
RESULT = {"flagged": True, "categories": {"violence": True}, "category_scores": {"violence": 0.75}}


def spell(vector: list[float]) -> str:
    """A vector as OpenAI's client asks for it."""
    return base64.b64encode(array("f", vector).tobytes()).decode()


def answer_with(body: Any) -> Script:
    """A provider that answers with an object."""
    return Script(raw_body=json.dumps(body).encode())


def embed(call: Call, *, backwards: bool = False) -> Script:
    """A provider that embeds two texts in the form that it is asked for."""
    form = spell if call.body.get("encoding_format") == "base64" else list
    data = [{"object": "embedding", "index": place, "embedding": form(v)} for place, v in enumerate(VECTORS)]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return answer_with(
        {"object": "list", "data": data[::-1] if backwards else data, "model": "embedder-1", "usage": usage}
    )


@pytest_asyncio.fixture(loop_scope="module")
async def sdk(mill: Mill) -> AsyncIterator[openai.AsyncOpenAI]:
    """The SDK as anybody would make it, but that it pays once."""
    key = await mill.key()
    async with openai.AsyncOpenAI(base_url=f"{mill.base_url}/v1", api_key=key, max_retries=0) as made:
        yield made
    mill.upstream.choose = None


async def row_of(mill: Mill, stream_id: str) -> tuple[Completion, Attempt]:
    """Return a row and its one call."""
    async with mill.database.transaction() as session:
        row = (await session.scalars(select(Completion).where(Completion.id == stream_id))).one()
        return row, (await session.scalars(select(Attempt).where(Attempt.subject_id == stream_id))).one()


@pytest.mark.parametrize("encoding_format", ["float", None], ids=["numbers", "the client's default"])
async def test_a_provider_embeds(mill: Mill, sdk: openai.AsyncOpenAI, encoding_format: Any) -> None:
    mill.upstream.choose = lambda call: embed(call, backwards=True)
    texts = [new_name("a"), "b"]
    more = {} if encoding_format is None else {"encoding_format": encoding_format}
    raw = await sdk.embeddings.with_raw_response.create(model=MODEL, input=texts, dimensions=3, **more)
    answer = raw.parse()
    assert [item.embedding for item in answer.data] == VECTORS
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (7, 7)
    call = mill.upstream.calls[-1]
    wire = {"model": MODEL, "input": texts, "dimensions": 3, "encoding_format": encoding_format or "base64"}
    assert (call.path, call.body) == ("/v1/embeddings", wire)
    row, attempt = await row_of(mill, raw.headers["x-storymill-stream-id"])
    assert (row.kind, row.status, row.text, row.prompt_tokens, row.completion_tokens) == (
        "embedding", "succeeded", "", 7, 0,
    )  # fmt: skip
    assert (attempt.outcome, attempt.prompt_tokens) == ("succeeded", 7)
    assert row.extra is None, "vectors that nobody can ask for again are kept"


async def test_a_retry_with_its_key_is_told_the_same_vectors(mill: Mill, client: httpx2.AsyncClient) -> None:
    mill.upstream.choose = embed
    calls, head = len(mill.upstream.calls), {"Idempotency-Key": new_name("key")}
    body = {"model": MODEL, "input": ["a", "b"]}
    told = [(await client.post("/v1/embeddings", json=body, headers=head)).json() for _ in range(2)]
    assert [item["embedding"] for item in told[1]["data"]] == VECTORS
    assert told[0] == told[1]
    assert len(mill.upstream.calls) == calls + 1
    mill.upstream.choose = None


async def test_who_leaves_ends_the_call_and_it_is_booked_once(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    name, gate = new_name("left"), asyncio.Event()
    mill.upstream.choose = lambda _: Script(gate=gate)
    with pytest.raises(openai.APITimeoutError):
        await sdk.embeddings.create(model=MODEL, input=[name], timeout=1)
    [call] = [call for call in mill.upstream.calls if call.body.get("input") == [name]]

    async def is_over() -> bool:
        async with mill.database.transaction() as session:
            asked = Completion.request["input"][0].astext == name
            row = (await session.scalars(select(Completion).where(asked))).one()
            if row.status != "cancelled":
                return False
            attempt = (await session.scalars(select(Attempt).where(Attempt.subject_id == row.id))).one()
            booked = (await session.scalars(select(LedgerEntry).where(LedgerEntry.attempt_id == attempt.id))).all()
            return (attempt.outcome, attempt.failure_class, len(booked)) == ("failed", "cancelled", 1)

    await eventually_async(is_over, what="the row to be cancelled, with one entry in the books")
    assert call.closed_by_client_at is not None
    mill.upstream.choose = None


async def test_a_provider_that_counts_nothing_leaves_usage_unknown(mill: Mill, client: httpx2.AsyncClient) -> None:
    mill.upstream.choose = lambda _: answer_with({"data": [{"embedding": [1, 0.5]}]})
    answer = await client.post("/v1/embeddings", json={"model": MODEL, "input": [1, 2, 3]})
    assert answer.json() == {
        "object": "list", "model": MODEL, "usage": None,
        "data": [{"object": "embedding", "index": 0, "embedding": [1.0, 0.5]}],
    }  # fmt: skip
    mill.upstream.choose = None


async def test_a_provider_that_embeds_nothing_is_named_with_what_to_do(mill: Mill, client: httpx2.AsyncClient) -> None:
    mill.upstream.choose = lambda _: Script(status=404, error={"message": "Not Found"})
    for path, words in (("/v1/embeddings", "embeds no texts"), ("/v1/moderations", "judges no texts")):
        error = assert_openai_error(await client.post(path, json={"model": MODEL, "input": "a"}), 404, param="model")
        assert words in error["message"]
        assert "providers.toml" in error["message"]
    mill.upstream.choose = lambda _: bad_request("too long")
    assert_openai_error(await client.post("/v1/embeddings", json={"model": MODEL, "input": "a"}), 400)
    mill.upstream.choose = None


async def test_a_provider_moderates(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    mill.upstream.choose = lambda _: answer_with({"id": "modr-1", "model": "judge-1", "results": [RESULT]})
    answer = await sdk.moderations.create(model=MODEL, input="一个故事")
    assert answer.model == "judge-1"
    assert answer.results[0].flagged
    assert answer.results[0].category_scores.violence == 0.75
    assert mill.upstream.calls[-1].path == "/v1/moderations"


async def test_without_a_moderating_model_the_answer_says_what_to_do(client: httpx2.AsyncClient, mill: Mill) -> None:
    error = assert_openai_error(await client.post("/v1/moderations", json={"input": "a"}), 404)
    assert "OPENAI_API_KEY" in error["message"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/embeddings", {"model": MODEL}, "input"),
        ("/v1/embeddings", {"model": MODEL, "input": ""}, "input"),
        ("/v1/embeddings", {"model": MODEL, "input": []}, "input"),
        ("/v1/embeddings", {"model": MODEL, "input": ["a"] * 2_049}, "input"),
        ("/v1/embeddings", {"model": MODEL, "input": ["a", 5]}, "input"),
        ("/v1/embeddings", {"input": "a"}, "model"),
        ("/v1/embeddings", {"model": MODEL, "input": "a", "dimensions": 0}, "dimensions"),
        ("/v1/embeddings", {"model": MODEL, "input": "a", "encoding_format": "hex"}, "encoding_format"),
        ("/v1/moderations", {"model": MODEL}, "input"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_bad_requests_are_refused_before_a_row_is_made(
    mill: Mill, client: httpx2.AsyncClient, path: str, body: dict[str, Any], param: str
) -> None:
    before = await mill.count_rows()
    error = assert_openai_error(await client.post(path, json=body), 400)
    assert error["param"] == param
    assert await mill.count_rows() == before


async def test_a_provider_without_a_tokenizer_to_ask_is_named(mill: Mill, client: httpx2.AsyncClient) -> None:
    asked = ({"model": MODEL, "prompt": "a"}, {"prompt": "a"})
    for body in asked:
        error = assert_openai_error(await client.post("/tokenize", json=body), 404, code="tokenizer_unknown")
        assert "Count with the provider's own tokenizer" in error["message"]
    assert_openai_error(await client.get("/tokenizer_info"), 404, code="tokenizer_unknown")


async def test_a_server_that_passes_over_the_prompt_is_not_believed(mill: Mill, client: httpx2.AsyncClient) -> None:
    """llama.cpp reads `content` alone: of a prompt it says that it has no tokens."""
    mill.upstream.choose = lambda call: answer_with({"tokens": [5, 6] if "content" in call.body else []})
    for body in ({"prompt": "a b"}, {"messages": [{"role": "user", "content": "a b"}]}):
        error = assert_openai_error(await client.post("/tokenize", json={"model": MODEL, **body}), 400, param="content")
        assert "llama.cpp" in error["message"]
    told = await client.post("/tokenize", json={"model": MODEL, "content": "a b"})
    assert told.json() == {"tokens": [5, 6]}
    mill.upstream.choose = None
