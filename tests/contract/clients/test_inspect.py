"""Inspect's command line with a model of ours: chats, and responses."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.client_env import PINS, client_python, run_command
from tests.support.gateway import Mill, new_name
from tests.support.upstream import MODEL
from tests.support.upstream_script import story_for

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.client_env, pytest.mark.slow]


@pytest.mark.parametrize("options", [[], ["-M", "responses_api=true"]], ids=["default", "responses"])
async def test_an_evaluation_scores_the_answer(options: list[str], mill: Mill, tmp_path: Path) -> None:
    prompt = new_name("写一个故事")
    env = {
        "OPENAI_API_KEY": await mill.key(),
        "OPENAI_BASE_URL": f"{mill.base_url}/v1",
        "PROMPT": prompt,
        "STORY": story_for({"prompt": prompt}),
        "HOME": str(tmp_path),
    }
    python = await asyncio.to_thread(client_python, "inspect")
    shutil.copy(PINS / "scripts" / "inspect_story.py", tmp_path)  # it takes no absolute paths
    program = [str(python.with_name("inspect")), "eval", "inspect_story.py"]
    logs = ["--log-dir", str(tmp_path / "logs"), "--log-format", "json", "--display", "plain"]
    await run_command("inspect", [*program, "--model", f"openai/{MODEL}", *logs, *options], tmp_path, env)
    (log,) = (tmp_path / "logs").glob("*.json")
    told: dict[str, Any] = json.loads(log.read_text())
    assert told["status"] == "success", told.get("error")
    assert told["results"]["scores"][0]["metrics"]["accuracy"]["value"] == 1
    assert told["stats"]["model_usage"][f"openai/{MODEL}"]["total_tokens"] > 0
