"""The client against a scripted provider, over real sockets."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from shared.outside.providers.border.answers import LlmDelta
from shared.outside.providers.client import LlmClient
from shared.outside.providers.configuration import Provider, Target
from shared.outside.providers.failures import FailureClass, LlmError
from tests.support.stack import eventually
from tests.support.upstream import MODEL, ScriptedUpstream
from tests.support.upstream_script import Script, bad_request, rate_limited, server_error, story_for

BODY = {"prompt": "唐朝的英雄", "max_tokens": 200}
CHAT = {"messages": [{"role": "user", "content": "唐朝的英雄"}]}


@pytest.fixture
async def client() -> AsyncIterator[LlmClient]:
    client = LlmClient()
    yield client
    await client.close()


@pytest.fixture
def target(upstream: ScriptedUpstream) -> Target:
    return Target(Provider("scripted", upstream.url, "sk-test"), MODEL)


async def read_stream(client: LlmClient, target: Target, body: dict[str, Any] = BODY) -> list[LlmDelta]:
    kind = "chat" if "messages" in body else "completion"
    async with client.stream(target, kind, body) as stream:  # type: ignore[arg-type]
        return [delta async for delta in stream]


async def fail(client: LlmClient, target: Target, *, stream: bool) -> LlmError:
    with pytest.raises(LlmError) as caught:
        await (read_stream(client, target) if stream else client.complete(target, "completion", BODY))
    return caught.value


@pytest.mark.parametrize(("kind", "body"), [("completion", BODY), ("chat", CHAT)])
async def test_an_answer_is_whole(
    client: LlmClient, target: Target, upstream: ScriptedUpstream, kind: Any, body: dict[str, Any]
) -> None:
    answer = await client.complete(target, kind, body)
    assert answer.text == story_for(body)
    assert (answer.finish_reason, answer.model, answer.request_id) == ("stop", MODEL, "upstream-0")
    assert (answer.prompt_tokens, answer.completion_tokens) == (3, upstream.calls[0].tokens_sent)
    assert upstream.calls[0].headers["Authorization"] == "Bearer sk-test"
    assert answer.failure_class() is None


@pytest.mark.parametrize("body", [BODY, CHAT])
async def test_a_text_that_nobody_watches_is_asked_for_plainly_and_comes_in_one_piece(
    client: LlmClient, target: Target, upstream: ScriptedUpstream, body: dict[str, Any]
) -> None:
    deltas = await read_stream(client, target, {**body, "stream": False})
    assert [delta.text for delta in deltas if delta.text] == [story_for(body)]
    assert (upstream.calls[0].body["stream"], "stream_options" in upstream.calls[0].body) == (False, False)
    engine = replace(target.provider, is_neighbour=True)
    assert len(await read_stream(client, Target(engine, MODEL), {**body, "stream": False})) > 1


@pytest.mark.parametrize("body", [BODY, CHAT])
async def test_a_stream_says_the_same_as_a_whole_answer(
    client: LlmClient, target: Target, body: dict[str, Any]
) -> None:
    deltas = await read_stream(client, target, body)
    assert "".join(delta.text for delta in deltas) == story_for(body)
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["stop"]
    assert deltas[-1].usage is not None


async def test_a_provider_that_does_not_know_stream_options_is_not_sent_them(
    client: LlmClient, target: Target, upstream: ScriptedUpstream
) -> None:
    await read_stream(client, replace(target, provider=replace(target.provider, stream_usage=False)))
    assert "stream_options" not in upstream.calls[0].body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (rate_limited(0.25), FailureClass.RATE_LIMITED),
        (server_error(503), FailureClass.SERVER_ERROR),
        (bad_request(), FailureClass.INVALID_REQUEST),
        (Script(cut_after_tokens=3), FailureClass.CUT_CONNECTION),
        (Script(delay_seconds=5), FailureClass.TIMEOUT),
    ],
)
async def test_a_failure_has_its_class(
    client: LlmClient, target: Target, upstream: ScriptedUpstream, script: Script, expected: FailureClass, stream: bool
) -> None:
    upstream.default = script
    provider = replace(target.provider, first_byte_timeout_seconds=0.2, timeout_seconds=0.2)
    error = await fail(client, Target(provider, MODEL), stream=stream)
    assert error.failure_class is expected
    if expected is FailureClass.RATE_LIMITED:
        assert error.retry_after_seconds == 0.25


@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_that_is_not_there_is_unreachable(client: LlmClient, target: Target, stream: bool) -> None:
    nowhere = Target(replace(target.provider, base_url="http://127.0.0.1:9/v1"), MODEL)
    assert (await fail(client, nowhere, stream=stream)).failure_class is FailureClass.UNREACHABLE


async def test_silence_inside_a_stream_is_a_timeout(
    client: LlmClient, target: Target, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(gate=asyncio.Event(), tokens_before_gate=2)
    provider = replace(target.provider, idle_timeout_seconds=0.2)
    assert (await fail(client, Target(provider, MODEL), stream=True)).failure_class is FailureClass.TIMEOUT


def chunk(text: str, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "text": text, "finish_reason": finish_reason}
    return b"data: " + json.dumps({"choices": [choice]}, ensure_ascii=False).encode() + b"\n\n"


WHOLE = chunk("唐朝") + chunk("🦸", "stop")


@pytest.mark.parametrize(
    "chunks",
    [
        (WHOLE,),
        (WHOLE, b"data: [DONE]\n\n"),
        tuple(bytes([byte]) for byte in WHOLE),
        (WHOLE.replace(b"\n", b"\r\n"),),
        (WHOLE.replace(b"data: ", b"data:"),),
        (b": hello\n\n" + WHOLE + b": bye\n\n",),
        (WHOLE.rstrip(b"\n"),),
        (WHOLE, b"data: [DONE]\n\n", chunk("too late")),
        (chunk("唐朝🦸"), b"data: [DONE] \n\n"),
        (WHOLE, b"data: {never whole"),
        (WHOLE, b"data: {not json}\n\n"),
        (WHOLE.replace(b"data: ", b"").replace(b"\n\n", b"\n"),),
    ],
)
async def test_odd_but_whole_streams_are_read(
    client: LlmClient, target: Target, upstream: ScriptedUpstream, chunks: tuple[bytes, ...]
) -> None:
    upstream.default = Script(raw_chunks=chunks)
    deltas = await read_stream(client, target)
    assert "".join(delta.text for delta in deltas) == "唐朝🦸"


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((chunk("唐朝"),), FailureClass.CUT_CONNECTION),
        ((chunk(""), b"data: [DONE]\n\n"), FailureClass.EMPTY),
        ((chunk("唐朝", "error"),), FailureClass.CUT_CONNECTION),
        ((b"<html>busy</html>",), FailureClass.SERVER_ERROR),
        ((chunk("唐朝"), b'data: {"choices": [{"te'), FailureClass.CUT_CONNECTION),
        ((b"",), FailureClass.CUT_CONNECTION),
        ((b"data: {not json\n\n",), FailureClass.MALFORMED),
        ((b"data: []\n\n",), FailureClass.MALFORMED),
        (
            (chunk("x"), b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n'),
            FailureClass.SERVER_ERROR,
        ),
        ((b'event: error\ndata: {"message": "bad", "code": "rate_limit_exceeded"}\n\n',), FailureClass.RATE_LIMITED),
    ],
)
async def test_a_stream_that_is_not_whole_is_a_failure(
    client: LlmClient, target: Target, upstream: ScriptedUpstream, chunks: tuple[bytes, ...], expected: FailureClass
) -> None:
    upstream.default = Script(raw_chunks=chunks)
    assert (await fail(client, target, stream=True)).failure_class is expected


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cancelled_call_closes_its_socket_before_the_first_byte(
    client: LlmClient, target: Target, upstream: ScriptedUpstream, stream: bool
) -> None:
    upstream.default = Script(gate=asyncio.Event())
    call = asyncio.create_task(
        read_stream(client, target) if stream else client.complete(target, "completion", BODY)  # type: ignore[arg-type]
    )
    await eventually(lambda: upstream.calls)
    cancelled_at = time.monotonic()
    call.cancel()
    closed_at = await eventually(lambda: upstream.calls[0].closed_by_client_at)
    assert closed_at - cancelled_at < 0.25
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_leaving_a_stream_early_closes_its_socket(
    client: LlmClient, target: Target, upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(gate=asyncio.Event(), tokens_before_gate=1)
    async with client.stream(target, "completion", BODY) as stream:
        async for _ in stream:
            break
    assert await eventually(lambda: upstream.calls[0].closed_by_client_at)


async def test_many_calls_are_in_flight_at_once(client: LlmClient, target: Target, upstream: ScriptedUpstream) -> None:
    gate = asyncio.Event()
    upstream.default = Script(gate=gate)
    calls = [asyncio.create_task(client.complete(target, "completion", BODY)) for _ in range(300)]
    await eventually(lambda: upstream.most_in_flight == 300)
    gate.set()
    assert len(await asyncio.gather(*calls)) == 300


async def test_tool_calls_and_refusals_are_kept_beside_the_text(
    client: LlmClient, target: Target, upstream: ScriptedUpstream
) -> None:
    tool_calls = [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    upstream.default = Script(text="", extra={"tool_calls": tool_calls}, finish_reason="tool_calls")
    answer = await client.complete(target, "chat", CHAT)
    assert answer.extra == {
        "tool_calls": [{name: call[name] for name in ("id", "type", "function")} for call in tool_calls]
    }
    assert answer.failure_class() is FailureClass.TOOL_CALLS
    upstream.default = Script(text="嗯", extra={"refusal": "不行"})
    deltas = await read_stream(client, target, CHAT)
    assert deltas[0].extra == {"refusal": "不行"}
    assert (await client.complete(target, "chat", CHAT)).failure_class() is FailureClass.REFUSAL
