"""The forgetting matrix of a model that was tuned twice on the embedded engine: real trainings, real scores."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from shared.stores.db.models import File, FineTuningJob
from storymill.cli import app
from storymill.launcher.credentials import Credentials, write_credentials
from tests.support.engine_process import EngineProcess
from tests.support.gateway import Mill, assert_openai_error, open_mill
from tests.support.gateway_fixtures import Stores
from tests.support.interactive import eventually_async
from tests.support.tiny_model import build_tiny_model
from tests.support.tuned_models import Tenant, open_tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")

BASE = "tiny"
OVER = {"succeeded", "failed", "cancelled"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine_mill(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mill]:
    """A gateway with a worker in front of a real engine on the tiny model."""
    folder = tmp_path_factory.mktemp("engine_mill")
    engine = EngineProcess(build_tiny_model(folder / BASE), folder / "engine")
    (folder / "providers.toml").write_text(f'[providers.engine]\nbase_url = "{engine.base_url}"\n')
    urls = {"database_url": stores.database_url, "redis_url": stores.redis_url}
    options: dict[str, Any] = {
        "queues": "interactive,fine_tuning,maintenance",
        "providers_file": folder / "providers.toml",
    }
    try:
        async with open_mill(folder, **urls, **options) as mill:
            yield mill
    finally:
        engine.stop()


def make_rows(hero: str, numbers: range) -> bytes:
    """Return training rows about one hero."""
    rows = [{"prompt": f"{hero},{number} ->", "completion": f" {hero}英雄{number}。"} for number in numbers]
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


async def tune(tenant: Tenant, model: str, hero: str, **fields: Any) -> dict[str, Any]:
    """Fine-tune for real; return the finished job."""
    body = {
        "model": model,
        "training_file": await tenant.upload(make_rows(hero, range(8))),
        "validation_file": await tenant.upload(make_rows(hero, range(8, 11))),
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 4}}},
        **fields,
    }
    response = await tenant.client.post("/v1/fine_tuning/jobs", json=body)
    assert response.status_code == 200, response.text
    path = f"/v1/fine_tuning/jobs/{response.json()['id']}"
    found: dict[str, Any] = {}

    async def is_over() -> bool:
        found.update((await tenant.client.get(path)).json())
        return found["status"] in OVER

    await eventually_async(is_over, timeout_seconds=120, what=f"{path} to be over")
    assert found["status"] == "succeeded", found["error"]
    return found


async def read_matrix(tenant: Tenant, model: str) -> dict[str, Any]:
    """Have the matrix measured, and return it."""
    path = f"/v1/models/{model}/forgetting"
    assert (await tenant.client.post(path)).status_code == 202
    found: dict[str, Any] = {}

    async def is_complete() -> bool:
        found.update((await tenant.client.get(path)).json())
        return bool(found["is_complete"])

    await eventually_async(is_complete, timeout_seconds=60, what="the matrix")
    return found


@pytest.mark.slow
async def test_a_model_that_was_tuned_twice_shows_what_it_forgot(engine_mill: Mill, tmp_path: Path) -> None:
    async with open_tenant(engine_mill) as tenant:
        first = await tune(tenant, BASE, "唐", suffix="first")
        parent = first["fine_tuned_model"]
        second = await tune(tenant, parent, "宋", suffix="second", replay={"share": 0.5})
        child = second["fine_tuned_model"]
        matrix = await read_matrix(tenant, child)
        assert [column["of_model"] for column in matrix["validation_files"]] == [parent, child]
        assert [row["model"] for row in matrix["rows"]] == [parent, child]
        own, untried = matrix["rows"][0]["cells"]
        forgot, learned = matrix["rows"][1]["cells"]
        assert untried["status"] is None, "a parent is not tried on what its child learned"
        assert {cell["rows"] for cell in (own, forgot, learned)} == {3}
        assert forgot["loss_change"] == pytest.approx(forgot["loss"] - own["loss"])
        assert (own["loss_change"], learned["loss_change"]) == (0, 0)
        await assert_loss_is_the_trainers(tenant, first, own)
        await assert_replay_is_recorded(tenant, second["id"])
        await assert_tree_and_commands(engine_mill, tenant, child, parent, tmp_path)
        assert_openai_error(await tenant.client.get(f"/v1/models/{BASE}/forgetting"), 404)


async def assert_loss_is_the_trainers(tenant: Tenant, job: dict[str, Any], cell: dict[str, Any]) -> None:
    """The trainer's last validation loss counts the end-of-text token too, so it is near, not equal."""
    metrics = (await tenant.client.get(f"/v1/fine_tuning/jobs/{job['id']}/metrics")).json()["data"]
    told = [row["valid_loss"] for row in metrics if row["valid_loss"] is not None]
    assert cell["loss"] == pytest.approx(told[-1], rel=0.1)


async def assert_replay_is_recorded(tenant: Tenant, job_id: str) -> None:
    """The file that was trained on holds the new rows and half of the parent's."""
    async with tenant.mill.database.transaction() as session:
        job = await session.get_one(FineTuningJob, job_id)
        assert job.replay is not None
        file = await session.get_one(File, job.replay["file_id"])
    assert job.replay["new_rows"] == 8
    assert list(job.replay["replayed_rows"].values()) == [4]
    lines = (await tenant.client.get(f"/v1/files/{file.id}/content")).text.splitlines()
    assert sorted(json.loads(line)["prompt"][0] for line in lines) == ["唐"] * 4 + ["宋"] * 8


def run_models_command(state_dir: Path, *arguments: str) -> str:
    """Run `storymill models …` to its good end; return what was printed, the gateway's log too, without blanks."""
    done = CliRunner().invoke(app, ["models", *arguments, "--state-dir", str(state_dir)])
    assert done.exit_code == 0, done.output
    return "".join(done.output.split())


async def assert_tree_and_commands(mill: Mill, tenant: Tenant, child: str, parent: str, folder: Path) -> None:
    """Tree, matrix and promotion as a person at a terminal sees them."""
    key = tenant.client.headers["authorization"].removeprefix("Bearer ")
    credentials = Credentials(base_url=f"{mill.base_url}/v1", streaming_url="http://127.0.0.1:1", api_key=key)
    write_credentials(folder, credentials)

    async def run(*arguments: str) -> str:
        return await asyncio.to_thread(run_models_command, folder, *arguments)

    drawn = await run("tree", child)
    assert drawn.rindex(f"{BASE}(base)") < drawn.rindex(parent) < drawn.rindex(child)
    assert "validation" in drawn
    assert "right" in await run("forgetting", child)
    assert f"hero@prod→{child}(version1)" in await run("promote", "hero@prod", child)
    assert "hero@prod" in await run("list", "--tuned")
    await run("promote", "hero@prod", parent)
    assert f"hero@prod→{child}(version3)" in await run("rollback", "hero@prod")
    assert "rolled_back" in await run("show", "hero@prod")
