"""The calls by which Open WebUI checks a connection, lists its models and chats: aiohttp, as its server makes them."""

import json
from typing import Any

import aiohttp
import pytest

from tests.support.gateway import Mill, new_name
from tests.support.upstream import MODEL
from tests.support.upstream_script import story_for

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_connection_is_checked_listed_and_used(mill: Mill) -> None:
    url, prompt = f"{mill.base_url}/v1", new_name("写一个故事")
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {await mill.key()}"}
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/models", headers={**headers, "Authorization": "Bearer no"}) as refused:
            assert (refused.status, "error" in await refused.json()) == (401, True)
        async with session.get(f"{url}/models", headers=headers) as listed:
            models: list[dict[str, Any]] = (await listed.json())["data"]
        assert MODEL in [model["id"] for model in models]
        assert all(model.get("name", model["id"]) for model in models)
        messages = [{"role": "system", "content": "你是作家。"}, {"role": "user", "content": prompt}]
        asked = {"model": MODEL, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
        async with session.post(f"{url}/chat/completions", data=json.dumps(asked), headers=headers) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            lines = [line.decode().strip() async for line in answer.content]
        chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
        told = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
        assert told == story_for({"prompt": prompt})
        assert chunks[-1]["usage"]["total_tokens"] > 0
        title = {"model": MODEL, "messages": messages, "stream": False, "max_completion_tokens": 1000}
        async with session.post(f"{url}/chat/completions", json=title, headers=headers) as whole:
            assert (await whole.json())["choices"][0]["message"]["content"] == told
