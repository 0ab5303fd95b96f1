"""What a client asks for as a whole the provider is asked for as a whole; what is watched comes as a stream."""

from typing import Any

import httpx2
import pytest

from tests.support.gateway import Mill, new_name
from tests.support.interactive import eventually_async
from tests.support.upstream import MODEL
from tests.support.upstream_script import Script, story_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLS = [
    {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
    {"id": "b", "type": "function", "function": {"name": "f", "arguments": '{"y":2}'}},
]


def chat(prompt: str, **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": prompt}], **fields}


def bodies_for(mill: Mill, prompt: str) -> list[tuple[bool, bool]]:
    """Return of each call whether it asked for a stream, and for its usage."""
    return [(call.body["stream"], "stream_options" in call.body) for call in mill.upstream.calls_for(prompt)]


@pytest.mark.parametrize("path", ["completions", "chat/completions", "responses"])
@pytest.mark.parametrize("is_streamed", [False, True], ids=["plain", "streamed"])
async def test_a_request_is_sent_on_as_it_was_asked(
    mill: Mill, client: httpx2.AsyncClient, path: str, is_streamed: bool
) -> None:
    prompt = new_name("写")
    asked = {"completions": {"prompt": prompt}, "responses": {"input": prompt}}.get(path) or chat(prompt)
    body = {"model": MODEL, **asked, **({"stream": True} if is_streamed else {})}
    answer = await client.post(f"/v1/{path}", json=body)
    assert answer.status_code == 200
    assert is_streamed or story_for({"prompt": prompt}) in answer.text
    assert bodies_for(mill, prompt) == [(is_streamed, is_streamed)]


async def test_what_may_be_watched_is_streamed(mill: Mill, client: httpx2.AsyncClient) -> None:
    first, second = new_name("看"), new_name("等")
    await client.post("/v1/streams", json={"model": MODEL, "prompt": first})
    await client.post("/v1/responses", json={"model": MODEL, "input": second, "background": True})

    async def asked() -> bool:
        return bodies_for(mill, first) == bodies_for(mill, second) == [(True, True)]

    await eventually_async(asked, what="both to be asked for")


async def test_parallel_tool_calls_of_a_plain_request_come_as_the_provider_gave_them(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    mill.upstream.queue(Script(text="", extra={"tool_calls": CALLS}, finish_reason="tool_calls"))
    choice = (await client.post("/v1/chat/completions", json=chat(new_name("工")))).json()["choices"][0]
    assert (choice["message"]["tool_calls"], choice["finish_reason"]) == (CALLS, "tool_calls")
