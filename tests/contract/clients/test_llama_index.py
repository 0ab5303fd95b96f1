"""LlamaIndex's class for servers like OpenAI's with only base URL and key: completions, its default, and chats."""

import json

import pytest

from tests.support.client_env import run_client
from tests.support.gateway import Mill, new_name
from tests.support.upstream import MODEL
from tests.support.upstream_script import story_for

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.client_env, pytest.mark.slow]


async def test_it_completes_and_chats_whole_and_streamed(mill: Mill) -> None:
    prompt = new_name("写一个故事")
    env = {"BASE_URL": f"{mill.base_url}/v1", "KEY": await mill.key()}
    said = json.loads(await run_client("llama-index", "llama_index_models.py", MODEL, prompt, env=env))
    assert said == dict.fromkeys(said, story_for({"prompt": prompt}))
    assert len(said) == 6
