"""GuideLLM's benchmark with its defaults: it checks the server, takes its first model and reads streams of chats."""

import asyncio
import json
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.support.client_env import PINS, keep_environment, make_environment, run_command
from tests.support.gateway import Mill
from tests.support.tiny_model import build_tiny_tokenizer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.client_env, pytest.mark.slow]


def make_beside_torch(folder: Path, pins: Path) -> None:
    """Install the pins, which are all that it needs but torch, gigabytes of it for other processors than ours: that is
    taken from our own environment, behind all that is pinned."""
    make_environment(folder, pins, options=("--no-deps",))
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "torch_of_ours.pth").write_text(sysconfig.get_path("purelib"))


async def test_a_sweep_has_no_failed_request(mill: Mill, tmp_path: Path) -> None:
    build_tiny_tokenizer().save_pretrained(tmp_path / "tokenizer")
    pins = PINS / "requirements-guidellm.txt"
    folder = await asyncio.to_thread(keep_environment, "guidellm", pins, make_beside_torch)
    options = {
        "backend": f"kind=openai_http,target={mill.base_url},api_key={await mill.key()}",
        "profile": "kind=sweep,sweep_size=3",
        "constraint": "kind=max_requests,count=3",
        "data": "kind=synthetic_text,prompt_tokens=16,output_tokens=8",
        "tokenizer": f"kind=hf_auto,model={tmp_path / 'tokenizer'}",
        "output": "kind=json,path=told.json",
    }
    given = [word for name, value in options.items() for word in (f"--{name}", value)]
    env = {"HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    await run_command("guidellm", [str(folder / "bin" / "guidellm"), "run", *given], tmp_path, env)
    told: dict[str, Any] = json.loads((tmp_path / "told.json").read_text())
    assert len(told["benchmarks"]) == 3
    for benchmark in told["benchmarks"]:
        requests = benchmark["requests"]
        assert (len(requests["errored"]), len(requests["successful"])) == (0, 3)
