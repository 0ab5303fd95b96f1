"""Clients that others' programs make of our OpenAPI document: in Python and in TypeScript, compiled strictly."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.client_env import PINS, client_python, install_packages, keep_environment, run_command
from tests.support.gateway import Mill, new_name
from tests.support.upstream import MODEL
from tests.support.upstream_script import story_for

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.client_env, pytest.mark.slow]

STRICT = ("--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--module", "nodenext", "--skipLibCheck")


async def check_told(printed: str, prompt: str, client: httpx2.AsyncClient) -> None:
    """Assert that a made client has read what is there."""
    told: dict[str, Any] = json.loads(printed)
    file: dict[str, Any] = (await client.get("/v1/files")).json()["data"][0]
    assert told["chat"] == story_for({"prompt": prompt})
    assert told["tokens"] > 0
    assert told["file"] == [file["id"], file["bytes"]]
    assert file["id"] in told["files"]
    assert told["job"] == ["fine_tuning.job", "validating_files", file["id"]]
    assert told["error"] == ["model", "model_not_found"]


async def test_python(mill: Mill, client: httpx2.AsyncClient, tmp_path: Path) -> None:
    prompt, name = new_name("写一个故事"), "openapi-python-client"
    python = str(await asyncio.to_thread(client_python, name))
    options = ["--url", f"{mill.base_url}/openapi.json", "--output-path", str(tmp_path / "made"), "--meta", "none"]
    await run_command(name, [python, "-m", "openapi_python_client", "generate", *options], tmp_path, {})
    script = str(PINS / "scripts" / "generated_client.py")
    key = client.headers["authorization"].removeprefix("Bearer ")
    env = {"BASE_URL": mill.base_url, "OPENAI_API_KEY": key, "PYTHONPATH": str(tmp_path)}
    printed = await run_command(name, [python, script, MODEL, prompt], tmp_path, env)
    await check_told(printed, prompt, client)


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js with npm")
async def test_typescript(mill: Mill, client: httpx2.AsyncClient) -> None:
    prompt, name = new_name("写一个故事"), "openapi-typescript"
    pins = PINS / "package-openapi-typescript.json"
    folder = await asyncio.to_thread(keep_environment, name, pins, install_packages)
    shutil.copy(PINS / "scripts" / "generated_client.ts", folder)
    programs = folder / "node_modules" / ".bin"
    make = [str(programs / name), f"{mill.base_url}/openapi.json", "-o", "made.d.ts"]
    await run_command(name, make, folder, {})
    await run_command(name, [str(programs / "tsc"), *STRICT, "generated_client.ts"], folder, {})
    key = client.headers["authorization"].removeprefix("Bearer ")
    env = {"BASE_URL": mill.base_url, "OPENAI_API_KEY": key}
    printed = await run_command(name, ["node", "generated_client.js", MODEL, prompt], folder, env)
    await check_told(printed, prompt, client)
