"""Streams of a killed worker heal as fast as on a quiet mill, whatever else is going on."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from storymill.client.rest import Api
from tests.support.fine_tuning_requests import ROWS
from tests.support.stack import PROJECT_ROOT, wait_until
from tests.support.tuning_upstream import TuningUpstream
from tests.support.upstream import MODEL
from tests.support.upstream_script import Script
from tests.support.upstream_thread import UpstreamThread, serve_upstream
from tests.support.whole_mill import Watcher, WholeMill

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

PATIENCE = float(os.environ.get("STORYMILL_TEST_PATIENCE", "1"))
STREAMS = 5
ATTACKERS = 4
MOST_PLACES = 4
"""Taken at once: one for each attacker, on a machine of two processors; more are for projects that have none."""
START_SECONDS = 5.0
SLACK_SECONDS = 3.0
"""The reaper looks every two seconds: two healings differ by as much."""


@pytest.fixture(scope="module")
def provider() -> Iterator[UpstreamThread]:
    """A provider whose texts take half a minute."""
    with serve_upstream() as serving:
        serving.upstream.default = Script(tokens_per_second=2)
        yield serving


@pytest.fixture(scope="module")
def tuner(provider: UpstreamThread) -> Iterator[TuningUpstream]:
    """A provider that trains."""
    server = TuningUpstream()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), provider.loop).result(10)
    yield server
    asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), provider.loop).result(10)


@pytest.fixture(scope="module")
def mill(
    tmp_path_factory: pytest.TempPathFactory, provider: UpstreamThread, tuner: TuningUpstream
) -> Iterator[WholeMill]:
    """The whole product; preparations give way to everybody, as they do."""
    folder = tmp_path_factory.mktemp("healing")
    (folder / "providers.toml").write_text(f'[providers.tuner]\nbase_url = "{tuner.url}"\nmodels = ["base-*"]\n')
    running = WholeMill(
        folder / "state",
        environment={
            "STORYMILL_WORKER_PREPARATION_NICENESS": "19",
            "STORYMILL_PROVIDERS_FILE": str(folder / "providers.toml"),
        },
        arguments=("--upstream", provider.upstream.url),
    )
    running.start()
    yield running
    running.stop()


def measure_healing(mill: WholeMill, provider: UpstreamThread, mark: str) -> float:
    """Kill the worker of some streams; return after how many seconds all of them go on. Each comes to its end."""
    prompts = [f"{mark} {number}" for number in range(STREAMS)]
    with mill.api() as api:
        created = [api.post("/streams", {"model": MODEL, "prompt": prompt}) for prompt in prompts]
    watchers = [Watcher(one["ws_url"], one["id"], mill.api().api_key) for one in created]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.wait_for_text()
    mill.kill("worker-interactive")
    killed_at = time.monotonic()

    def go_on() -> bool:
        calls = [provider.upstream.calls_for(prompt) for prompt in prompts]
        return all(len(of_one) > 1 and of_one[-1].tokens_sent > 0 for of_one in calls)

    wait_until(go_on, timeout_seconds=120, what="the streams to go on")
    healed = time.monotonic() - killed_at
    for watcher in watchers:
        watcher.join(120)
        assert watcher.failure is None, watcher.failure
        assert watcher.follower.fold.end is not None
    return healed


def find_children(mill: WholeMill) -> list[psutil.Process]:
    """Return what the batch worker has under way."""
    return psutil.Process(mill.find_process("worker-batch")["pid"]).children()


def open_project(mill: WholeMill, project: str) -> Api:
    """Return the gateway as a project sees it."""
    made = mill.run("keys", "create", "--name", project, "--project", project, "--json")
    return Api(mill.api().base_url, json.loads(made.stdout)["key"])


@contextmanager
def worst_files(mill: WholeMill) -> Iterator[None]:
    """Have some projects order the worst files, 16 each, until every place has one; they are left alone afterwards."""
    with ExitStack() as stack:
        attackers = [stack.enter_context(open_project(mill, f"attacker-{n}")) for n in range(ATTACKERS)]
        yield from attack_with(mill, attackers)


def attack_with(mill: WholeMill, attackers: list[Api]) -> Iterator[None]:
    """Order, and cancel when resumed."""
    command = [sys.executable, "-m", "tests.e2e.attacks.attacker", "square", mill.api().base_url.removesuffix("/v1")]
    attacks = [subprocess.Popen([*command, attacker.api_key], cwd=PROJECT_ROOT) for attacker in attackers]
    assert [attack.wait(300) for attack in attacks] == [0] * ATTACKERS
    wait_until(lambda: len(find_children(mill)) >= MOST_PLACES, timeout_seconds=60, what="every place to be taken")
    yield
    assert find_children(mill), "the files were done with before: the test would prove nothing"
    for attacker in attackers:
        for dataset in list(attacker.list_all("/datasets")):
            if dataset["status"] in {"queued", "running"}:
                attacker.post(f"/datasets/{dataset['id']}/cancel")


def test_streams_heal_while_the_worst_files_hold_every_place(mill: WholeMill, provider: UpstreamThread) -> None:
    quiet = measure_healing(mill, provider, "安静")
    with worst_files(mill):
        loaded = measure_healing(mill, provider, "忙")
    print(f"\nhealed after {quiet:.1f} s on a quiet mill, after {loaded:.1f} s beside 64 of the worst files")
    assert loaded <= quiet + SLACK_SECONDS * PATIENCE


def measure_start(api: Api, kind: str, order: dict[str, Any], waiting: set[str]) -> float:
    """Order something; return after how many seconds it is no longer waiting."""
    begun = time.monotonic()
    made = api.post(kind, order)
    started = wait_until(
        lambda: found if (found := api.get(f"{kind}/{made['id']}"))["status"] not in waiting else None,
        timeout_seconds=60,
        what=f"{kind} to start",
    )
    assert started["status"] in {"running", "succeeded"}, started
    return time.monotonic() - begun


def test_another_projects_jobs_start_while_the_worst_files_hold_every_place(
    mill: WholeMill, tuner: TuningUpstream, tmp_path: Path
) -> None:
    (tmp_path / "rows.jsonl").write_bytes(ROWS)
    with worst_files(mill), open_project(mill, "neighbour") as api:
        file_id = api.upload("/files", tmp_path / "rows.jsonl", purpose="fine-tune")["id"]
        job = {"model": "base-1", "training_file": file_id}
        tuning = measure_start(api, "/fine_tuning/jobs", job, {"validating_files", "queued"})
        dataset = measure_start(api, "/datasets", {"sources": [{"file": file_id}]}, {"queued"})
    print(f"\na fine-tuning job ran {tuning:.1f} s after its order, a dataset {dataset:.1f} s, beside 64 such files")
    assert tuner.jobs
    assert max(tuning, dataset) <= START_SECONDS * PATIENCE
