"""LangChain's ChatOpenAI and OpenAI with only base URL and key set."""

import json

import httpx2
import pytest

from tests.support.client_env import run_client
from tests.support.gateway import Mill, new_name
from tests.support.upstream import MODEL
from tests.support.upstream_script import story_for

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.client_env, pytest.mark.slow]


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
async def test_both_model_classes_work(variable: str, mill: Mill, client: httpx2.AsyncClient) -> None:
    prompt = new_name("写一个故事")
    env = {"OPENAI_API_KEY": await mill.key(), variable: f"{mill.base_url}/v1"}
    said = json.loads(await run_client("langchain", "langchain_models.py", MODEL, prompt, env=env))
    story = story_for({"prompt": prompt})
    for name in ("chat", "chat_streamed", "responses", "responses_streamed", "text", "text_streamed"):
        assert said[name] == story, name
    assert said["chat_many"] == [story_for({"prompt": f"{prompt}{number}"}) for number in range(5)]
    assert said["text_many"] == [story, story_for({"prompt": "b"}), story_for({"prompt": "c"})]
    assert said["text_best"] == [story, story]
    assert said["chat_usage"]["total_tokens"] > 0
