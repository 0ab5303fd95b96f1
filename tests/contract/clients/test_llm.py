"""The `llm` command with a model of ours in its configuration."""

from pathlib import Path

import httpx2
import pytest

from tests.support.client_env import run_client
from tests.support.gateway import Mill, new_name
from tests.support.upstream import MODEL
from tests.support.upstream_script import story_for

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.client_env, pytest.mark.slow]


@pytest.mark.parametrize("kind", ["chat", "completion"])
@pytest.mark.parametrize("options", [[], ["--no-stream"]])
async def test_it_prints_the_story(
    kind: str, options: list[str], mill: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    prompt = new_name("写一个故事")
    completion = "  completion: true\n" if kind == "completion" else ""
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: mill\n  model_name: {MODEL}\n  api_base: {mill.base_url}/v1\n  api_key_name: mill\n{completion}"
    )
    env = {"LLM_USER_PATH": str(tmp_path), "HOME": str(tmp_path)}
    command = ["-m", "llm", "-m", "mill", "--key", await mill.key(), *options, prompt]
    assert (await run_client("llm", *command, env=env)).strip() == story_for({"prompt": prompt})
