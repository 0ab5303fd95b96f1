"""The official client of JavaScript with only base URL and key set."""

import json
import shutil

import pytest

from tests.support.client_env import run_node
from tests.support.gateway import Mill, new_name
from tests.support.upstream import MODEL
from tests.support.upstream_script import story_for

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.client_env,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js with npm"),
]


async def test_chats_responses_files_batches_and_errors(mill: Mill) -> None:
    prompt = new_name("写一个故事")
    env = {"OPENAI_API_KEY": await mill.key(), "OPENAI_BASE_URL": f"{mill.base_url}/v1"}
    said = json.loads(await run_node("openai", "openai_node.mjs", MODEL, prompt, env=env))
    story = story_for({"prompt": prompt})
    for name in ("chat", "chat_streamed", "chat_helped", "response", "response_streamed"):
        assert said[name] == story, name
    assert said["helped_usage"] == said["chat_usage"] > 0
    assert said["request_id"] == "req_"
    assert said["events"] == ["response.created", "response.completed"]
    assert said["background"] == ["queued", "completed", story]
    assert said["file"][::2] == ["asked.jsonl", "batch"]
    assert (said["content"], said["listed"], said["deleted"]) == (True, True, True)
    assert said["batch"] == ["completed", {"total": 1, "completed": 1, "failed": 0}, {"client": "node"}]
    assert said["answered"] == ["one", story]
    assert said["refused"] == ["failed", [["model_not_found", 1]]]
    assert MODEL in said["models"]
    assert said["errors"] == [
        ["NotFoundError", 404, "model_not_found", "model", "req_"],
        ["BadRequestError", 400, None, "temperature", "req_"],
        ["AuthenticationError", 401, "invalid_api_key", None, "req_"],
        ["NotFoundError", 404, "not_found", "id", "req_"],
        ["NotFoundError", 404, "not_found", "batch_id", "req_"],
    ]
