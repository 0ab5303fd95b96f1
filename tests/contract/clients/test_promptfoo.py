"""promptfoo's command line, as its first page shows it: chats, responses and completions of one model side by side."""

import asyncio
import json
import platform
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.client_env import PINS, install_packages, keep_environment, run_command
from tests.support.gateway import Mill, new_name
from tests.support.upstream import MODEL
from tests.support.upstream_script import story_for

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.client_env,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js with npm"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="its store is pinned for one kind of processor"),
]

KINDS = ("chat", "responses", "completion")


async def test_an_evaluation_passes_at_every_door(mill: Mill, tmp_path: Path) -> None:
    prompt = new_name("写一个故事")
    config = {
        "prompts": ["{{asked}}"],
        "providers": [f"openai:{kind}:{MODEL}" for kind in KINDS],
        "tests": [{"vars": {"asked": prompt}, "assert": [{"type": "equals", "value": story_for({"prompt": prompt})}]}],
    }
    (tmp_path / "promptfooconfig.json").write_text(json.dumps(config))
    make = partial(install_packages, options=("--omit=optional",))
    folder = await asyncio.to_thread(keep_environment, "promptfoo", PINS / "package-promptfoo.json", make)
    env = {
        "OPENAI_API_KEY": await mill.key(),
        "OPENAI_BASE_URL": f"{mill.base_url}/v1",
        "HOME": str(tmp_path),
        "PROMPTFOO_DISABLE_TELEMETRY": "1",
        "PROMPTFOO_DISABLE_UPDATE": "1",
    }
    program = [str(folder / "node_modules" / ".bin" / "promptfoo"), "eval"]
    options = ["-c", "promptfooconfig.json", "-o", "told.json", "--no-cache", "--no-progress-bar"]
    await run_command("promptfoo", [*program, *options], tmp_path, env)
    told: dict[str, Any] = json.loads((tmp_path / "told.json").read_text())
    results = told["results"]["results"]
    assert [result["success"] for result in results] == [True] * len(KINDS)
