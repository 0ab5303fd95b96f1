"""What one bad client, file or connection costs the others, in the whole mill: a neighbour's texts and lists go on, no
event loop stands still, and the processes give back what memory they took."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from storymill.client.rest import Api
from storymill.launcher.ports import find_free_port
from tests.e2e.attacks.attacker import ATTACKS
from tests.e2e.attacks.costly_files import ORDERED
from tests.e2e.attacks.loop_lags import LoopLags
from tests.support.dataset_mill import make_csv
from tests.support.stack import PROJECT_ROOT, wait_until
from tests.support.upstream import MODEL
from tests.support.whole_mill import WholeMill

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]  # it measures: it wants the machine for itself

PROBE_SECONDS = 1.0
"""How often the neighbour asks, and how long an answer may take it on a quiet machine."""
PATIENCE = float(os.environ.get("STORYMILL_TEST_PATIENCE", "1"))
"""Times that, on a machine that does other things too."""
KEPT_BYTES = 100 * 1024 * 1024
START_SECONDS = 5.0
CHILD_BYTES = 1024 * 1024 * 1024
USUAL_LAG_SECONDS, WORST_LAG_SECONDS = 0.05, 0.25
"""Of an event loop: in 99 of 100 looks, and in all."""
LOOPS = ("gateway", "streaming", "worker-interactive", "worker-generation", "worker-batch", "worker-maintenance")
OF_ENGINE = ("long_prompts", *(name for name in ATTACKS if name.startswith("train_tiny_on_")))
OF_STREAMING = ("silence", "slow_heads", "endless_head", "header_lines", "announced_bodies")
CASES = [
    *(pytest.param(name, "gateway", id=name) for name in ATTACKS if name not in OF_ENGINE),
    *(pytest.param(name, "streaming", id=f"streaming-{name}") for name in OF_STREAMING),
]
LONGEST_MESSAGE = 1_000
"""Characters of a refusal: it quotes little of what it refuses."""


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeMill]:
    """The whole product in front of a scripted provider."""
    port = find_free_port()
    upstream = subprocess.Popen([sys.executable, "-m", "tests.support.upstream", "--port", str(port)], cwd=PROJECT_ROOT)
    environment = {
        "STORYMILL_PREPARE_MEMORY_BYTES": str(CHILD_BYTES),
        "STORYMILL_WORKER_PREPARATION_NICENESS": "19",
    }
    running = WholeMill(
        tmp_path_factory.mktemp("attacked") / "state",
        environment=environment,
        arguments=("--upstream", f"http://127.0.0.1:{port}/v1"),
    )
    try:
        wait_until(lambda: is_open(port), what="the provider")
        running.start()
        yield running
    finally:
        running.stop()
        upstream.kill()
        upstream.wait()


def is_open(port: int) -> bool:
    """Say whether somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def make_key(mill: WholeMill, project: str) -> str:
    """Return a key of a project."""
    made = mill.run("keys", "create", "--name", project, "--project", project, "--json")
    secret: str = json.loads(made.stdout)["key"]
    return secret


def find_rss(mill: WholeMill, name: str) -> int:
    """Return the resident memory of a process of the mill."""
    return int(psutil.Process(mill.find_process(name)["pid"]).memory_info().rss)


def read_lags(mill: WholeMill) -> dict[str, LoopLags]:
    """Return how late each process' event loop was since its start."""
    return {name: LoopLags.read(f"http://127.0.0.1:{mill.find_process(name)['port']}") for name in LOOPS}


def find_children(mill: WholeMill) -> list[psutil.Process]:
    """Return the processes that prepare datasets."""
    worker = psutil.Process(mill.find_process("worker-batch")["pid"])
    return [child for child in worker.children() if "order_process" in read_command(child)]


def read_command(process: psutil.Process) -> str:
    """Return a process's command, nothing when it is over."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def ask(api: Api) -> float:
    """Ask for a short text, for a list, and for a text that is watched; return how long the slowest of them took."""
    worst = 0.0
    body = {"model": MODEL, "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    for call in (lambda: api.post("/chat/completions", body), lambda: api.get("/generations"), lambda: watch(api)):
        begun = time.monotonic()
        call()
        worst = max(worst, time.monotonic() - begun)
    return worst


def watch(api: Api) -> None:
    """Start a short text and read its events to their end."""
    made = api.post("/streams", {"model": MODEL, "max_tokens": 5, "prompt": "x"})
    headers = {"authorization": f"Bearer {api.api_key}"}
    events = httpx2.get(made["sse_url"], headers=headers, timeout=30, trust_env=False)
    assert "event: end" in events.text, events.text


@pytest.mark.parametrize(("name", "target"), CASES)
def test_a_neighbour_feels_nothing_of(mill: WholeMill, name: str, target: str, tmp_path: Path) -> None:
    base_url = mill.api().base_url.removesuffix("/v1")
    address = base_url if target == "gateway" else f"http://127.0.0.1:{mill.find_process('streaming')['port']}"
    watched = ("gateway", "streaming")
    attacker = make_key(mill, f"{name}-at-{target}")
    with Api(f"{base_url}/v1", make_key(mill, f"neighbour-of-{name}-at-{target}")) as neighbour:
        ask(neighbour)
        before = {process: find_rss(mill, process) for process in watched}
        lags_before = read_lags(mill)
        attack = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.attacks.attacker", name, address, attacker],
            cwd=PROJECT_ROOT,
        )
        worst = 0.0
        while attack.poll() is None:
            worst = max(worst, ask(neighbour))
            time.sleep(PROBE_SECONDS / 4)
        assert attack.returncode == 0
        if name in ORDERED:
            worst = max(worst, watch_files(mill, neighbour, tmp_path))
            leave_files(f"{base_url}/v1", attacker)
        lags = {process: found.since(lags_before[process]) for process, found in read_lags(mill).items()}
        told = {process: (lag.find_quantile(0.99), lag.find_quantile(1)) for process, lag in lags.items()}
        case = f"{name} at the {target}"
        print(f"\n{case}: the neighbour's worst answer {worst:.2f} s; loop lags (p99, worst, each below) {told}")
        assert worst <= PROBE_SECONDS * PATIENCE
        assert max(usual for usual, _ in told.values()) <= USUAL_LAG_SECONDS * PATIENCE
        assert max(most for _, most in told.values()) <= WORST_LAG_SECONDS * PATIENCE
    wait_until(
        lambda: all(find_rss(mill, process) < before[process] + KEPT_BYTES for process in watched),
        what="the memory to come back",
    )


def watch_files(mill: WholeMill, neighbour: Api, folder: Path) -> float:
    """Have a dataset prepared while an attacker's are; return how long the neighbour's worst answer took."""
    source = folder / "rows.csv"
    source.write_bytes(make_csv(40))
    worst, begun = 0.0, time.monotonic()
    file_id = neighbour.upload("/files", source, purpose="fine-tune")["id"]
    dataset: dict[str, Any] = neighbour.post("/datasets", {"sources": [{"file": file_id}]})
    started = None
    while dataset["status"] in {"queued", "running"}:
        worst = max(worst, ask(neighbour))
        dataset = neighbour.get(f"/datasets/{dataset['id']}")
        if started is None and dataset["started_at"] is not None:
            started = time.monotonic() - begun
        for child in find_children(mill):
            assert read_rss(child) <= CHILD_BYTES + 200 * 1024 * 1024
    assert dataset["status"] == "succeeded", dataset
    assert started is not None
    assert started <= START_SECONDS * PATIENCE
    return worst


def leave_files(base_url: str, key: str) -> None:
    """Cancel what an attacker has ordered. What is over was refused with a sentence, and no fault of ours."""
    with Api(base_url, key) as api:
        found = list(api.list_all("/datasets"))
        for dataset in found:
            if dataset["status"] in {"queued", "running"}:
                api.post(f"/datasets/{dataset['id']}/cancel")
        errors = {(one["error"]["code"], one["error"]["message"]) for one in found if one["error"]}
    print(f"\n{len(found)} datasets: {sorted(errors)}")
    for code, message in errors:
        assert code != "preparation_crashed", message
        assert len(message) <= LONGEST_MESSAGE, message
        assert code != "preparation_limit" or "STORYMILL_PREPARE_" in message, message


def read_rss(process: psutil.Process) -> int:
    """Return the resident memory of a process, 0 when it is over."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
