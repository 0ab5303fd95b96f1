"""Schemathesis: whatever the OpenAPI document allows and forbids is answered as the document says."""

import asyncio
from pathlib import Path

import pytest

from tests.support.client_env import PINS, client_python, run_command
from tests.support.gateway import Mill

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.client_env, pytest.mark.slow]


QUICK = ("--phases", "examples,fuzzing", "--max-examples", "3")
WHOLE = ("--max-examples", "50")
MOST_SECONDS = 1700


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("form", [QUICK, pytest.param(WHOLE, marks=pytest.mark.soak)], ids=["quick", "whole"])
async def test_no_check_finds_anything(form: tuple[str, ...], mill: Mill, tmp_path: Path) -> None:
    python = str(await asyncio.to_thread(client_python, "schemathesis"))
    settings = str(PINS / "scripts" / "schemathesis.toml")
    command = [python, "-m", "schemathesis.cli", "--config-file", settings, "run", f"{mill.base_url}/openapi.json"]
    options = ["--seed", "1", "--header", f"Authorization: Bearer {await mill.key()}", *form]
    await run_command("schemathesis", [*command, *options], tmp_path, {"NO_COLOR": "1"}, seconds=MOST_SECONDS)
