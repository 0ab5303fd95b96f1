"""openai 0.27.4, the article's client: library and command line."""

import json

import httpx2
import pytest

from tests.support.client_env import run_client
from tests.support.gateway import Mill, new_name
from tests.support.upstream import MODEL
from tests.support.upstream_script import story_for

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.client_env]


async def test_the_article_runs_with_only_base_url_and_key(mill: Mill, client: httpx2.AsyncClient) -> None:
    prompt = new_name("汉,冰冻大海,艰难 ->\n")
    env = {"OPENAI_API_KEY": await mill.key()}
    said = json.loads(await run_client("openai-legacy", "legacy.py", f"{mill.base_url}/v1", MODEL, prompt, env=env))
    story = story_for({"prompt": prompt})
    for name in ("whole", "by_model", "streamed", "streamed_by_engine", "chat", "chat_streamed", "timeout_field"):
        assert said[name] == story, name
    assert said["many"] == [story, story, *[story_for({"prompt": "b"})] * 2]
    assert said["usage"]["total_tokens"] == said["usage"]["prompt_tokens"] + said["usage"]["completion_tokens"]
    assert said["models"] == said["engines"] == [MODEL]
    assert said["model"] == MODEL
    errors = {name: said[name][:3] for name in ("unknown_model", "wrong_type", "file_probe", "wrong_key")}
    assert errors == {
        "unknown_model": ["InvalidRequestError", "model_not_found", 404],
        "wrong_type": ["InvalidRequestError", None, 400],
        "file_probe": ["InvalidRequestError", said["file_probe"][1], 404],
        "wrong_key": ["AuthenticationError", None, 401],
    }
    assert all(said[name][3].startswith("req_") for name in errors)


async def test_its_command_line_completes_and_streams(mill: Mill, client: httpx2.AsyncClient) -> None:
    prompt = new_name("讲一个故事")
    env = {"OPENAI_API_KEY": await mill.key(), "OPENAI_API_BASE": f"{mill.base_url}/v1"}
    story = story_for({"prompt": prompt})
    command = ["-m", "openai._openai_scripts", "api", "completions.create", "-m", MODEL, "-p", prompt]
    assert story in await run_client("openai-legacy", *command, env=env)
    assert story in await run_client("openai-legacy", *command, "--stream", env=env)
    by_engine = ["-m", "openai._openai_scripts", "api", "completions.create", "-e", MODEL, "-p", prompt]
    assert story in await run_client("openai-legacy", *by_engine, env=env)
    assert f'"id": "{MODEL}"' in await run_client(
        "openai-legacy", "-m", "openai._openai_scripts", "api", "models.list", env=env
    )
