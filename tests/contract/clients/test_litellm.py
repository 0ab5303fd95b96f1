"""litellm's responses and batches: its calls of OpenAI's server, at ours."""

import pytest

from tests.support.client_env import run_client
from tests.support.gateway import Mill, new_name
from tests.support.printed import read_last_object
from tests.support.upstream import MODEL
from tests.support.upstream_script import story_for

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.client_env, pytest.mark.slow]


async def test_responses_and_batches(mill: Mill) -> None:
    prompt = new_name("写一个故事")
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    arguments = ("litellm_responses.py", f"{mill.base_url}/v1", await mill.key(new_name("project")), MODEL, prompt)
    said = read_last_object(await run_client("litellm", *arguments, env=env))
    story = story_for({"prompt": prompt})
    assert (said["whole"], said["streamed"], said["stored"]) == (story, story, story)
    assert (said["events"][0], said["events"][-1]) == ("response.created", "response.completed")
    assert said["usage"] > 0
    assert said["deleted"]
    assert said["batch"] == ["completed", {"a": "b"}]
    assert said["listed"]
    assert said["answered"] == ["one", story]
