"""The clients of fine-tuning against gateway, worker and a real engine: several official versions, the command line of
2023, W&B's logger and litellm."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.client_env import PINS, run_client
from tests.support.fine_tuning_requests import ROWS
from tests.support.gateway import Mill, new_name
from tests.support.gateway_fixtures import Stores
from tests.support.printed import read_last_object
from tests.support.tuning_mill import BASE, open_tuning_mill
from tests.support.usual import mark_unusual

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.client_env]

SCRIPT = "fine_tuning_jobs.py"
TIMEOUT_SECONDS = 120


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mill(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mill]:
    """A mill that tunes a tiny model."""
    async with open_tuning_mill(tmp_path_factory.mktemp("tuning"), stores) as opened:
        yield opened


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training file."""
    path = tmp_path_factory.mktemp("rows") / "故事.jsonl"
    path.write_bytes(ROWS)
    return path


async def run_here(*arguments: str, env: dict[str, str]) -> str:
    """Run a script with this environment's own, current client."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={"PATH": os.environ["PATH"], "PYTHONUTF8": "1", "NO_PROXY": "*", **env},
        cwd=PINS / "scripts",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(TIMEOUT_SECONDS):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


@pytest.mark.parametrize("client", mark_unusual(["current", "openai-1", "litellm"], ["current"]))
async def test_every_modern_version_of_the_official_client_tunes_a_model(client: str, mill: Mill, rows: Path) -> None:
    env = {"OPENAI_API_KEY": await mill.key(new_name("project"))}
    arguments = (SCRIPT, f"{mill.base_url}/v1", BASE, str(rows))
    printed = await (run_here(*arguments, env=env) if client == "current" else run_client(client, *arguments, env=env))
    said: dict[str, Any] = json.loads(printed)
    job = said["job"]
    assert (said["created"], job["status"], job["error"]) == ("validating_files", "succeeded", None)
    assert job["method"]["supervised"]["hyperparameters"]["n_epochs"] == 2
    assert (job["seed"], job["metadata"], job["trained_tokens"] > 0) == (7, {"client": said["version"]}, True)
    assert said["by_metadata"] == [job["id"]]
    assert said["listed"] != [job["id"]]
    assert said["messages"][-1].startswith("Created fine-tuning job")
    assert said["types"] == ["message", "metrics"]
    assert said["checkpoints"] == sorted(said["checkpoints"], reverse=True)
    assert len(said["checkpoints"]) == 2
    assert said["results"].startswith("step,elapsed_tokens,elapsed_examples,training_loss")
    assert said["steered"]["cancelled"] == "cancelled"
    assert said["wrong_model"] == ["NotFoundError", "model_not_found", "model"]
    assert said["wrong_file"] == ["BadRequestError", "file_not_found", "training_file"]
    assert said["wrong_epochs"][2] == "hyperparameters.n_epochs"
    assert said["unknown_job"] == ["NotFoundError", "fine_tune_not_found", "fine_tuning_job_id"]


async def test_the_command_line_of_2023_steers_a_job(mill: Mill, rows: Path) -> None:
    env = {"OPENAI_API_KEY": await mill.key(new_name("project")), "OPENAI_API_BASE": f"{mill.base_url}/v1"}

    async def call(*words: str) -> str:
        return await run_client("openai-legacy", "-m", "openai._openai_scripts", "api", *words, env=env)

    file = json.loads(await call("files.create", "-f", str(rows), "-p", "fine-tune"))
    assert [item["id"] for item in json.loads(await call("files.list"))["data"]] == [file["id"]]
    created = ("fine_tunes.create", "-t", file["id"], "-m", BASE, "--n_epochs", "50", "--no_follow")
    fine_tune = json.loads((await call(*created)).partition("{")[2].join(["{", ""]))["id"]
    assert json.loads(await call("fine_tunes.get", "-i", fine_tune))["training_files"][0]["id"] == file["id"]
    assert json.loads(await call("fine_tunes.cancel", "-i", fine_tune))["id"] == fine_tune
    followed = await call("fine_tunes.follow", "-i", fine_tune)
    assert "Fine-tune cancelled" in followed
    events = json.loads(await call("fine_tunes.events", "-i", fine_tune))["data"]
    assert events[0]["message"] == f"Created fine-tune: {fine_tune}"
    assert json.loads(await call("fine_tunes.delete", "-i", fine_tune))["deleted"]
    assert json.loads(await call("fine_tunes.list"))["data"] == []
    assert json.loads(await call("files.delete", "-i", file["id"]))["deleted"]


@pytest.mark.slow
async def test_litellm_makes_lists_and_cancels_jobs(mill: Mill) -> None:
    async with await mill.client(new_name("project")) as client:
        key = client.headers["authorization"].removeprefix("Bearer ")
        upload = await client.post("/v1/files", files={"file": ("a.jsonl", ROWS)}, data={"purpose": "fine-tune"})
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    arguments = ("litellm_jobs.py", f"{mill.base_url}/v1", key, BASE, upload.json()["id"])
    said = read_last_object(await run_client("litellm", *arguments, env=env))
    assert (said["created"], said["seed"], said["ended"]) == ("validating_files", 7, "cancelled")
    assert said["listed"] == [said["id"]]


@pytest.mark.slow
async def test_wandbs_logger_writes_the_whole_series_offline(mill: Mill, rows: Path, tmp_path: Path) -> None:
    project = new_name("project")
    async with await mill.client(project) as client:
        upload = await client.post("/v1/files", files={"file": ("a.jsonl", ROWS)}, data={"purpose": "fine-tune"})
        body = {"model": BASE, "training_file": upload.json()["id"], "hyperparameters": {"n_epochs": 2}}
        job = (await client.post("/v1/fine_tuning/jobs", json=body)).json()["id"]
        async with asyncio.timeout(60), client.stream("GET", f"/v1/fine_tuning/jobs/{job}/events?stream=true") as told:
            async for _ in told.aiter_lines():
                pass
        metrics = (await client.get(f"/v1/fine_tuning/jobs/{job}/metrics")).json()["data"]
    env = {
        "OPENAI_API_KEY": await mill.key(project),
        "WANDB_MODE": "offline",
        "WANDB_API_KEY": "0" * 40,
        "WANDB_SILENT": "true",
        "HOME": str(tmp_path),
    }
    printed = await run_client("wandb", "wandb_sync.py", f"{mill.base_url}/v1", job, str(tmp_path), env=env)
    said = read_last_object(printed)
    assert "completed successfully" in said["said"]
    logged = [(row["_step"], row["training_loss"]) for row in said["history"] if "training_loss" in row]
    assert logged == [(row["step"], pytest.approx(row["train_loss"])) for row in metrics]
    assert len(logged) == 24
