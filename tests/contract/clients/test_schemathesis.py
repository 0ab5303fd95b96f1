"""Schemathesis: whatever the OpenAPI document allows and forbids is answered as the document says."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.support.client_env import PINS, client_python, run_command
from tests.support.gateway import Mill
from tests.support.upstream import Call
from tests.support.upstream_script import Script

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.client_env, pytest.mark.slow]


QUICK = ("--phases", "examples,fuzzing", "--max-examples", "3")
WHOLE = ("--max-examples", "50")
MOST_SECONDS = 1700


def answer_well(call: Call) -> Script | None:
    """A provider that has all that is asked of it: what it lacks would be its failure, and not the API's."""
    inputs = call.body.get("input", "")
    count = len(inputs) if isinstance(inputs, list) and inputs and not isinstance(inputs[0], int) else 1
    answers: dict[str, dict[str, object]] = {
        "/v1/embeddings": {"data": [{"index": place, "embedding": [0.5]} for place in range(count)]},
        "/v1/moderations": {"results": [{"flagged": False, "categories": {}, "category_scores": {}}] * count},
        "/tokenize": {"tokens": [2], "count": 1, "max_model_len": 4096},
    }
    told = answers.get(call.path)
    return None if told is None else Script(raw_body=json.dumps(told).encode())


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("form", [QUICK, pytest.param(WHOLE, marks=pytest.mark.soak)], ids=["quick", "whole"])
async def test_no_check_finds_anything(form: tuple[str, ...], mill: Mill, tmp_path: Path) -> None:
    mill.upstream.choose = answer_well
    python = str(await asyncio.to_thread(client_python, "schemathesis"))
    settings = str(PINS / "scripts" / "schemathesis.toml")
    command = [python, "-m", "schemathesis.cli", "--config-file", settings, "run", f"{mill.base_url}/openapi.json"]
    options = ["--seed", "1", "--header", f"Authorization: Bearer {await mill.key()}", *form]
    await run_command("schemathesis", [*command, *options], tmp_path, {"NO_COLOR": "1"}, seconds=MOST_SECONDS)
