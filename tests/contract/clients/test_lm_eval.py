"""lm-eval's models for servers like OpenAI's, on the engine through the gateway: likelihoods of prompts, and texts."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.client_env import PINS, client_python, run_command
from tests.support.engine_mill import open_engine_mill
from tests.support.gateway import Mill
from tests.support.gateway_fixtures import Stores
from tests.support.tiny_model import build_tiny_model

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.client_env, pytest.mark.slow]

MODEL = "tiny"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, whose tokenizer the client needs too."""
    return build_tiny_model(tmp_path_factory.mktemp("model") / MODEL)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mill(stores: Stores, model: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mill]:
    """A mill over the tiny model."""
    async with open_engine_mill(tmp_path_factory.mktemp("engine"), stores, model) as opened:
        yield opened


async def evaluate(mill: Mill, folder: Path, kind: str, arguments: str, *options: str) -> dict[str, list[Any]]:
    """Run `lm_eval` as its page says; return the answers that it logs, by task."""
    env = {"OPENAI_API_KEY": await mill.key(), "HOME": str(folder), "HF_HUB_OFFLINE": "1"}
    program = str((await asyncio.to_thread(client_python, "lm-eval")).with_name("lm_eval"))
    asked = [program, "run", "--model", kind, "--model_args", f"model={MODEL},max_retries=1,{arguments}", *options]
    tasks = ["--include_path", "lm_eval_tasks", "--output_path", str(folder / "out"), "--log_samples"]
    await run_command("lm-eval", [*asked, *tasks], PINS / "scripts", env)
    logs = (folder / "out").rglob("samples_*.jsonl")
    return {log.name.split("_")[1]: read_answers(log) for log in logs}


def read_answers(log: Path) -> list[Any]:
    """Return what was answered, question by question."""
    return [answer for line in log.read_text().splitlines() for (answer,) in json.loads(line)["resps"]]


async def test_likelihoods_of_prompts_and_texts_are_read(mill: Mill, model: Path, tmp_path: Path) -> None:
    arguments = f"base_url={mill.base_url}/v1/completions,tokenizer_backend=huggingface,tokenizer={model}"
    answers = await evaluate(mill, tmp_path, "local-completions", arguments, "--tasks", "choices,texts")
    assert len(answers["choices"]) == 4
    assert all(float(likelihood) < 0 for likelihood, _ in answers["choices"])
    assert len(answers["texts"]) == 2
    assert all(answers["texts"])


async def test_chats_are_read(mill: Mill, tmp_path: Path) -> None:
    arguments, chat = f"base_url={mill.base_url}/v1/chat/completions", "--apply_chat_template"
    answers = await evaluate(mill, tmp_path, "local-chat-completions", arguments, "--tasks", "texts", chat)
    assert len(answers["texts"]) == 2
    assert all(answers["texts"])
