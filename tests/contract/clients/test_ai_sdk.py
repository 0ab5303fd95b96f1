"""The AI SDK of JavaScript at its default, which is `/v1/responses`, with only base URL and key set."""

import json
import shutil
from typing import Any

import pytest

from tests.support.client_env import run_node
from tests.support.gateway import Mill, new_name
from tests.support.upstream import MODEL, Call
from tests.support.upstream_script import Script, story_for

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.client_env,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js with npm"),
]


async def test_texts_streams_and_tools(mill: Mill) -> None:
    prompt = new_name("写一个故事")
    call = {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "唐"}'},
    }
    chunks: list[dict[str, Any]] = [
        {"delta": {"tool_calls": [call]}, "finish_reason": None},
        {"delta": {}, "finish_reason": "tool_calls"},
    ]
    lines = [f"data: {json.dumps({'choices': [{'index': 0, **chunk}]})}\n\n".encode() for chunk in chunks]

    def choose(asked: Call) -> Script | None:
        wants_tool = "tools" in asked.body and asked.body["messages"][-1]["role"] == "user"
        return Script(raw_chunks=(*lines, b"data: [DONE]\n\n")) if wants_tool else None

    mill.upstream.choose = choose
    env = {"OPENAI_API_KEY": await mill.key(), "OPENAI_BASE_URL": f"{mill.base_url}/v1"}
    said = json.loads(await run_node("ai-sdk", "ai_sdk.mjs", MODEL, prompt, env=env))
    mill.upstream.choose = None
    story = story_for({"prompt": prompt})
    assert (said["whole"], said["streamed"], said["warnings"]) == (story, story, [])
    assert said["usage"]["totalTokens"] > 0
    assert said["steps"] == 2
    assert said["asked"] == story_for(mill.upstream.calls[-1].body)
    last = mill.upstream.calls[-1].body["messages"]
    assert [message["role"] for message in last] == ["user", "assistant", "tool"]
    assert last[1]["tool_calls"][0]["id"] == last[2]["tool_call_id"] == "call_1"
