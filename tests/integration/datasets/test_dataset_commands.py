"""`storymill datasets` as a person types it: with a mill and without."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.support.dataset_mill import make_csv, write_article
from tests.support.gateway import Mill
from tests.support.stack import PROJECT_ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def run_datasets(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, while the gateway in this process goes on."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "storymill", "datasets", *map(str, arguments)],
        env={**os.environ, "COLUMNS": "200", "STORYMILL_BASE_URL": "", "STORYMILL_API_KEY": "", **environment},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_a_file_is_prepared_without_a_mill(tmp_path: Path) -> None:
    (tmp_path / "stories.csv").write_bytes(make_csv(12))
    source = tmp_path / "stories.csv"
    result = await run_datasets("prepare", source, "--quiet", "--state-dir", tmp_path / "none")
    assert result.returncode == 0, result.stdout + result.stderr
    assert len((tmp_path / "stories_prepared.jsonl").read_text().splitlines()) == 12
    chat = await run_datasets("prepare", source, "-q", "--format", "chat", "--local")
    assert chat.returncode == 0, chat.stdout + chat.stderr
    assert "messages" in (tmp_path / "stories_prepared (1).jsonl").read_text()


async def test_a_file_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    result = await run_datasets("prepare", tmp_path / "none.csv", "--quiet")
    assert result.returncode == 1
    assert "There is no file" in result.stderr
    assert "Traceback" not in result.stderr


async def test_a_run_is_prepared_listed_shown_reported_and_exported(
    mill: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    run_id = await write_article(mill, client, limit=30)
    key = client.headers["authorization"].removeprefix("Bearer ")
    where = {
        "STORYMILL_BASE_URL": f"{mill.base_url}/v1",
        "STORYMILL_API_KEY": key,
        "STORYMILL_STATE_DIR": str(tmp_path),
    }
    made = await run_datasets("prepare", run_id, **where)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "completion, prompts end in ' ->', texts stop at '。'" in made.stdout
    assert not {"None", "{"} & set(made.stdout.split())
    dataset_id = (await client.get("/v1/datasets")).json()["data"][0]["id"]
    for command in ("list", "show"):
        shown = await run_datasets(command, *([] if command == "list" else [dataset_id]), **where)
        assert dataset_id in shown.stdout, shown.stderr
    report = await run_datasets("report", dataset_id, **where)
    assert json.loads(report.stdout)["counts"]["rows"] == 30
    await run_datasets("report", dataset_id, "--page", tmp_path / "report.html", **where)
    assert "<svg" in (tmp_path / "report.html").read_text()
    sides = {}
    for split in ("train", "validation"):
        target = tmp_path / f"{split}.jsonl"
        assert (await run_datasets("export", dataset_id, target, "--split", split, **where)).returncode == 0
        sides[split] = len(target.read_text().splitlines())
    assert sum(sides.values()) == 30


async def test_a_file_goes_to_a_running_mill_and_its_rows_come_back_beside_it(
    mill: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    key = client.headers["authorization"].removeprefix("Bearer ")
    where = {
        "STORYMILL_BASE_URL": f"{mill.base_url}/v1",
        "STORYMILL_API_KEY": key,
        "STORYMILL_STATE_DIR": str(tmp_path),
    }
    (tmp_path / "stories.csv").write_bytes(make_csv(40))
    made = await run_datasets("prepare", tmp_path / "stories.csv", "--validation-share", "0.2", **where)
    assert made.returncode == 0, made.stdout + made.stderr
    written = [tmp_path / f"stories_prepared_{side}.jsonl" for side in ("train", "valid")]
    assert sum(len(path.read_text().splitlines()) for path in written) == 40
    (tmp_path / "bad.jsonl").write_text('{"prompt": "a", "completion": "b"}\n{"prompt": oops}\n')
    failed = await run_datasets("prepare", tmp_path / "bad.jsonl", **where)
    assert failed.returncode == 1
    assert "bad.jsonl, line 2, column 12" in failed.stderr
    assert json.loads((tmp_path / "bad_corrected.jsonl").read_text()) == {"prompt": "a", "completion": "b"}
    assert "oops" in (tmp_path / "bad_rejected.jsonl").read_text()
