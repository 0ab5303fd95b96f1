"""Streams of a killed worker heal as fast as on a quiet mill, whatever else is going on."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from storymill.client.rest import Api
from tests.support.stack import PROJECT_ROOT, wait_until
from tests.support.upstream import MODEL
from tests.support.upstream_script import Script
from tests.support.upstream_thread import UpstreamThread, serve_upstream
from tests.support.whole_mill import Watcher, WholeMill

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

PATIENCE = float(os.environ.get("STORYMILL_TEST_PATIENCE", "1"))
STREAMS = 5
SLACK_SECONDS = 3.0
"""The reaper looks every two seconds: two healings differ by as much."""


@pytest.fixture(scope="module")
def provider() -> Iterator[UpstreamThread]:
    """A provider whose texts take half a minute."""
    with serve_upstream() as serving:
        serving.upstream.default = Script(tokens_per_second=2)
        yield serving


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory, provider: UpstreamThread) -> Iterator[WholeMill]:
    """The whole product; preparations give way to everybody, as they do."""
    running = WholeMill(
        tmp_path_factory.mktemp("healing") / "state",
        environment={"STORYMILL_WORKER_PREPARATION_NICENESS": "19"},
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


def test_streams_heal_while_the_worst_files_hold_every_place(mill: WholeMill, provider: UpstreamThread) -> None:
    quiet = measure_healing(mill, provider, "安静")
    attacks = []
    for number in range(4):
        made = mill.run("keys", "create", "--name", f"a{number}", "--project", f"attacker-{number}")
        key = made.stdout.split()[-1]
        base_url = mill.api().base_url.removesuffix("/v1")
        command = [sys.executable, "-m", "tests.e2e.attacks.attacker", "square", base_url, key]
        attacks.append(subprocess.Popen(command, cwd=PROJECT_ROOT))
    assert [attack.wait(300) for attack in attacks] == [0] * 4
    wait_until(lambda: find_children(mill), timeout_seconds=60, what="a preparation")
    loaded = measure_healing(mill, provider, "忙")
    assert find_children(mill), "the files were done with before the streams healed: the test would prove nothing"
    print(f"\nhealed after {quiet:.1f} s on a quiet mill, after {loaded:.1f} s beside 64 of the worst files")
    assert loaded <= quiet + SLACK_SECONDS * PATIENCE
    cancel_all(mill)


def cancel_all(mill: WholeMill) -> None:
    """Have the files left alone."""
    for number in range(4):
        made = mill.run("keys", "create", "--name", f"c{number}", "--project", f"attacker-{number}")
        with Api(mill.api().base_url, made.stdout.split()[-1]) as api:
            for dataset in list(api.list_all("/datasets")):
                if dataset["status"] in {"queued", "running"}:
                    api.post(f"/datasets/{dataset['id']}/cancel")
