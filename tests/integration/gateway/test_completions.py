"""Completions and chats through queue, worker and stream, in the shapes that clients read."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from shared.stores.db.models import Completion
from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.interactive import eventually_async
from tests.support.stack import eventually
from tests.support.upstream import MODEL
from tests.support.upstream_script import Script, bad_request, story_for

pytestmark = pytest.mark.asyncio(loop_scope="module")


def ask(**changes: Any) -> dict[str, Any]:
    """A completion request with a prompt of its own."""
    return {"model": MODEL, "prompt": new_name("写一个故事"), **changes}


def ask_chat(**changes: Any) -> dict[str, Any]:
    """A chat request with a message of its own."""
    return {"model": MODEL, "messages": [{"role": "user", "content": new_name("写一个故事")}], **changes}


async def read_events(response: httpx2.Response) -> AsyncIterator[dict[str, Any]]:
    """Yield the chunks of a stream, held to the letter of the wire."""
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["transfer-encoding"] == "chunked"
    is_done = False
    async for line in response.aiter_lines():
        assert not is_done or not line
        if line == "data: [DONE]":
            is_done = True
        elif line and not line.startswith(":"):
            assert line.startswith("data: ")
            yield json.loads(line.removeprefix("data: "))
    assert is_done


async def stream(client: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all chunks of a streamed request."""
    async with client.stream("POST", path, json={**body, "stream": True}) as response:
        assert response.status_code == 200
        return [event async for event in read_events(response)]


async def row_of(mill: Mill, stream_id: str) -> Completion:
    """Return a completion's row."""
    async with mill.database.transaction() as session:
        return (await session.scalars(select(Completion).where(Completion.id == stream_id))).one()


async def test_a_completion_comes_back_whole_with_usage(mill: Mill, client: httpx2.AsyncClient) -> None:
    body = ask(max_tokens=None, temperature=0.5, user="u", unknown_field=None)
    response = await client.post("/v1/completions", json=body)
    assert response.status_code == 200
    answer = response.json()
    assert set(answer) == {"id", "object", "created", "model", "choices", "usage"}
    assert answer["id"].startswith("cmpl-")
    assert (answer["object"], answer["model"]) == ("text_completion", MODEL)
    choice = {"text": story_for(body), "index": 0, "logprobs": None, "finish_reason": "stop"}
    assert answer["choices"] == [choice]
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    row = await row_of(mill, response.headers["x-storymill-stream-id"])
    assert (row.status, row.text) == ("succeeded", story_for(body))
    sent = mill.upstream.calls_for(body["prompt"])[0].body
    assert sent["temperature"] == 0.5
    assert "max_tokens" not in sent
    assert "unknown_field" not in sent


async def test_a_streamed_completion_is_the_same_text_in_pieces(mill: Mill, client: httpx2.AsyncClient) -> None:
    body = ask()
    chunks = await stream(client, "/v1/completions", body)
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == story_for(body)
    assert all("usage" not in chunk and "error" not in chunk for chunk in chunks)
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    assert len({chunk["id"] for chunk in chunks}) == 1


async def test_usage_comes_as_the_last_chunk_when_asked_for(mill: Mill, client: httpx2.AsyncClient) -> None:
    chunks = await stream(client, "/v1/completions", ask(stream_options={"include_usage": True}))
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] > 0


async def test_several_prompts_and_n_make_choices_in_order(mill: Mill, client: httpx2.AsyncClient) -> None:
    prompts = [new_name("a"), new_name("b")]
    answer = (await client.post("/v1/completions", json=ask(prompt=prompts, n=2, seed=7))).json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    expected = [story_for({"prompt": prompt}) for prompt in prompts for _ in range(2)]
    assert [choice["text"] for choice in answer["choices"]] == expected
    assert sorted(call.body["seed"] for call in mill.upstream.calls_for(prompts[0])) == [7, 8]
    chunks = await stream(client, "/v1/completions", ask(prompt=prompts, n=2))
    texts = ["", "", "", ""]
    for chunk in chunks:
        texts[chunk["choices"][0]["index"]] += chunk["choices"][0]["text"]
    assert texts == expected
    assert sum(chunk["choices"][0]["finish_reason"] == "stop" for chunk in chunks) == 4


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [(["x1"], ["x1"]), ([1, 2, 3], [[1, 2, 3]]), ([[4, 5], [6]], [[4, 5], [6]]), (None, [""]), ("", [""])],
)
async def test_every_form_of_prompt_is_taken(
    prompt: Any, sent: list[Any], mill: Mill, client: httpx2.AsyncClient
) -> None:
    before = len(mill.upstream.calls)
    answer = (await client.post("/v1/completions", json=ask(prompt=prompt))).json()
    assert len(answer["choices"]) == len(sent)
    asked = [call.body["prompt"] for call in mill.upstream.calls[before:]]
    assert sorted(map(str, asked)) == sorted(map(str, sent))


async def test_a_chat_comes_back_whole_and_in_pieces(mill: Mill, client: httpx2.AsyncClient) -> None:
    body = ask_chat(max_completion_tokens=None)
    answer = (await client.post("/v1/chat/completions", json=body)).json()
    assert answer["object"] == "chat.completion"
    assert answer["id"].startswith("chatcmpl-")
    message = {"role": "assistant", "content": story_for(body), "refusal": None}
    assert answer["choices"] == [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}]
    chunks = await stream(client, "/v1/chat/completions", body)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunks[-1]["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == story_for(body)
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}


async def test_tool_calls_and_log_probabilities_pass_through(mill: Mill, client: httpx2.AsyncClient) -> None:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    mill.upstream.queue(Script(text="", raw_chunks=tool_call_chunks(call)), Script(raw_chunks=tool_call_chunks(call)))
    answer = (await client.post("/v1/chat/completions", json=ask_chat())).json()
    message = answer["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"] == [{name: value for name, value in call.items() if name != "index"}]
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert answer["choices"][0]["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}]}
    chunks = await stream(client, "/v1/chat/completions", ask_chat())
    pieces = [chunk["choices"][0]["delta"].get("tool_calls") for chunk in chunks]
    arguments = "".join(piece[0]["function"]["arguments"] for piece in pieces if piece)
    assert arguments == '{"a": 1}'


def tool_call_chunks(call: dict[str, Any]) -> tuple[bytes, ...]:
    """An upstream stream that calls a tool, its arguments in two pieces, with log probabilities."""
    first = {**call, "function": {"name": "f", "arguments": '{"a"'}}
    second = {"index": 0, "function": {"arguments": ": 1}"}}
    choices = [
        {"delta": {"role": "assistant", "tool_calls": [first]}, "logprobs": {"content": [{"token": "a"}]}},
        {"delta": {"tool_calls": [second]}, "logprobs": {"content": [{"token": "b"}]}},
        {"delta": {}, "finish_reason": "tool_calls"},
    ]
    bodies = [{"choices": [{"index": 0, "finish_reason": None, **choice}]} for choice in choices]
    return (*(f"data: {json.dumps(body)}\n\n".encode() for body in bodies), b"data: [DONE]\n\n")


async def test_reasoning_comes_before_its_answer_and_a_usage_that_nobody_counted_is_null(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    deltas = [{"reasoning_content": "想"}, {"reasoning_content": "了"}, {"content": "从"}, {"content": "前"}]
    bodies = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks = (b"".join(f"data: {json.dumps(body)}\n\n".encode() for body in bodies), b"data: [DONE]\n\n")
    mill.upstream.queue(Script(raw_chunks=chunks), Script(raw_chunks=chunks))
    seen = await stream(client, "/v1/chat/completions", ask_chat(stream_options={"include_usage": True}))
    said = [name for chunk in seen[1:-2] for name in chunk["choices"][0]["delta"]]
    assert said == sorted(said, reverse=True)
    assert set(said) == {"reasoning_content", "content"}
    assert (seen[-1]["choices"], seen[-1]["usage"]) == ([], None)
    answer = (await client.post("/v1/chat/completions", json=ask_chat())).json()
    assert answer["choices"][0]["message"]["reasoning_content"] == "想了"
    assert (answer["choices"][0]["message"]["content"], answer["choices"][0]["finish_reason"]) == ("从前", "stop")
    assert answer["usage"] is None


async def test_the_legacy_route_takes_the_model_from_the_path(mill: Mill, client: httpx2.AsyncClient) -> None:
    body = {"prompt": new_name("x"), "max_tokens": 2048, "top_p": 1}
    answer = (await client.post(f"/v1/engines/{MODEL}/completions", json=body)).json()
    assert (answer["model"], answer["choices"][0]["text"]) == (MODEL, story_for(body))
    mill.upstream.models.append("curie:ft-acme:u/v")
    named = (await client.post("/v1/engines/curie%3Aft-acme%3Au%2Fv/completions", json=body)).json()
    assert named["model"] == "curie:ft-acme:u/v"


async def test_models_are_listed_and_found_whatever_their_name_holds(mill: Mill, client: httpx2.AsyncClient) -> None:
    listed = (await client.get("/v1/models")).json()
    assert MODEL in [model["id"] for model in listed["data"]]
    assert {model["object"] for model in listed["data"]} == {"model"}
    mill.upstream.models.append("org/name:tag")

    async def is_found() -> bool:
        return (await client.get("/v1/models/org%2Fname:tag")).status_code == 200

    await eventually_async(is_found, what="the new model to be found")
    assert (await client.get(f"/v1/engines/{MODEL}")).json()["object"] == "engine"


async def test_a_provider_that_refuses_gives_its_status_and_message(mill: Mill, client: httpx2.AsyncClient) -> None:
    for path, body in (("/v1/completions", ask()), ("/v1/chat/completions", ask_chat())):
        for streamed in (False, True):
            mill.upstream.queue(bad_request("max_tokens is too large"))
            response = await client.post(path, json={**body, "stream": streamed})
            error = assert_openai_error(response, 400, type="invalid_request_error")
            assert "max_tokens is too large" in error["message"]
            assert response.headers["x-should-retry"] == "false"


async def test_a_failure_after_the_first_token_is_an_error_event(mill: Mill, client: httpx2.AsyncClient) -> None:
    refusal = {"message": "no more", "type": "invalid_request_error", "param": None, "code": None}
    mill.upstream.queue(Script(cut_after_tokens=3, error=refusal))
    async with client.stream("POST", "/v1/completions", json=ask(stream=True)) as response:
        lines = [line async for line in response.aiter_lines() if line and not line.startswith(":")]
    last = json.loads(lines[-1].removeprefix("data: "))
    assert "no more" in last["error"]["message"]


async def test_a_client_that_leaves_a_stream_cancels_it(mill: Mill, client: httpx2.AsyncClient) -> None:
    gate, body = asyncio.Event(), ask(stream=True)
    mill.upstream.queue(Script(gate=gate, tokens_before_gate=3))
    async with client.stream("POST", "/v1/completions", json=body) as response:
        stream_id = response.headers["x-storymill-stream-id"]
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                break
    await assert_cancelled(mill, stream_id, body["prompt"])


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_client_that_leaves_before_the_first_token_cancels_too(
    streamed: bool, mill: Mill, client: httpx2.AsyncClient
) -> None:
    body = ask(stream=streamed)
    mill.upstream.queue(Script(gate=asyncio.Event()))
    asking = asyncio.create_task(client.post("/v1/completions", json=body))
    await eventually(lambda: bool(mill.upstream.calls_for(body["prompt"])), what="the call upstream")
    asking.cancel()
    async with mill.database.transaction() as session:
        query = select(Completion.id).where(Completion.request["prompt"].astext == body["prompt"])
        stream_id = (await session.scalars(query)).one()
    await assert_cancelled(mill, stream_id, body["prompt"])


async def assert_cancelled(mill: Mill, stream_id: str, prompt: str) -> None:
    """The row ends as cancelled and the upstream call is closed."""

    async def is_cancelled() -> bool:
        return (await row_of(mill, stream_id)).status == "cancelled"

    await eventually_async(is_cancelled, what="the row to be cancelled")
    call = mill.upstream.calls_for(prompt)[0]
    await eventually(lambda: call.closed_by_client_at is not None, what="the upstream call to be closed")


async def test_comments_keep_a_quiet_stream_alive(mill: Mill, client: httpx2.AsyncClient) -> None:
    gate = asyncio.Event()
    mill.upstream.queue(Script(gate=gate))
    async with client.stream("POST", "/v1/completions", json=ask(stream=True)) as response:
        lines = response.aiter_lines()
        async for line in lines:
            if line:
                assert line == ": keep-alive"
                break
        gate.set()
        assert [line async for line in lines][-2] == "data: [DONE]"


async def test_a_stream_is_started_watched_and_cancelled_by_id(mill: Mill, client: httpx2.AsyncClient) -> None:
    gate, body = asyncio.Event(), ask()
    mill.upstream.queue(Script(gate=gate, tokens_before_gate=2))
    response = await client.post("/v1/streams", json=body)
    assert response.status_code == 202
    started = response.json()
    assert response.headers["location"] == f"/v1/streams/{started['id']}"
    assert started["ws_url"] == "ws://streaming.test:8001/v1/streams"
    assert started["sse_url"] == f"http://streaming.test:8001/v1/streams/{started['id']}"
    call = await eventually(lambda: next(iter(mill.upstream.calls_for(body["prompt"])), None), what="the call upstream")
    await eventually(lambda: call.tokens_sent == 2, what="two tokens")
    assert (await client.post(f"/v1/streams/{started['id']}/cancel")).status_code == 200
    await assert_cancelled(mill, started["id"], body["prompt"])
    ended = (await client.get(f"/v1/streams/{started['id']}")).json()
    assert story_for(body).startswith(ended["text"])
    assert ended["sha256"]
    again = await client.post(f"/v1/streams/{started['id']}/cancel")
    assert again.json()["status"] == "cancelled"


async def test_a_chat_may_be_a_stream_too(mill: Mill, client: httpx2.AsyncClient) -> None:
    body = ask_chat()
    stream_id = (await client.post("/v1/streams", json=body)).json()["id"]

    async def is_over() -> bool:
        return bool((await client.get(f"/v1/streams/{stream_id}")).json()["status"] == "succeeded")

    await eventually_async(is_over, what="the stream to end")
    ended = (await client.get(f"/v1/streams/{stream_id}")).json()
    assert (ended["kind"], ended["text"]) == ("chat", story_for(body))


async def test_another_project_sees_nothing_of_a_stream(mill: Mill, client: httpx2.AsyncClient) -> None:
    stream_id = (await client.post("/v1/streams", json=ask())).json()["id"]
    async with await mill.client(new_name("stranger")) as stranger:
        assert_openai_error(await stranger.get(f"/v1/streams/{stream_id}"), 404, code="not_found")
        assert_openai_error(await stranger.post(f"/v1/streams/{stream_id}/cancel"), 404, code="not_found")
    assert (await row_of(mill, stream_id)).cancel_requested_at is None


async def test_what_was_spent_is_in_the_usage(mill: Mill, client: httpx2.AsyncClient) -> None:
    answers = [(await client.post("/v1/completions", json=ask())).json() for _ in range(2)]
    for groups in ("day,model", "api_key_id", "provider"):
        sums = (await client.get("/v1/usage", params={"group_by": groups})).json()["data"]
        assert len(sums) == 1
        assert sums[0]["requests"] == 2
        assert sums[0]["total_tokens"] == sum(answer["usage"]["total_tokens"] for answer in answers)
        assert sums[0]["unpriced_requests"] == 2
