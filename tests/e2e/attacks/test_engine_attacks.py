"""What one bad client costs the others of the engine's own server: texts and lists go on, and memory comes back."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx2
import psutil
import pytest

from tests.support.live_engine import LiveEngine
from tests.support.stack import PROJECT_ROOT, wait_until
from tests.support.tiny_model import build_tiny_model

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]  # it measures: it wants the machine for itself

PATIENCE = float(os.environ.get("STORYMILL_TEST_PATIENCE", "1"))
PROBE_SECONDS = 1.0
KEPT_BYTES = 100 * 1024 * 1024
CASES = (
    *("lists", "objects", "messages", "token_ids", "keys", "long_prompts"),
    *("silence", "slow_heads", "endless_head", "header_lines", "announced_bodies"),
    *("train_tiny_on_plain_line", "train_tiny_on_lists_row", "train_tiny_on_many_rows"),
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveEngine]:
    """A ready engine on the tiny model."""
    model = build_tiny_model(tmp_path_factory.mktemp("model") / "tiny")
    server = LiveEngine(model, tmp_path_factory.mktemp("engine"), dtype="float32", context_length=512)
    server.wait_until_ready()
    yield server
    server.stop()


def ask(client: httpx2.Client) -> float:
    """Ask for a short text and a list; return how long the slower of them took."""
    worst = 0.0
    body = {"model": "tiny", "max_tokens": 5, "prompt": "x"}
    for call in (lambda: client.post("/v1/completions", json=body), lambda: client.get("/v1/models")):
        begun = time.monotonic()
        assert call().status_code == 200
        worst = max(worst, time.monotonic() - begun)
    return worst


@pytest.mark.parametrize("name", CASES)
def test_a_neighbour_at_the_engine_feels_nothing_of(engine: LiveEngine, name: str) -> None:
    process = psutil.Process(engine.process.pid)
    with httpx2.Client(base_url=engine.url, timeout=60) as neighbour:
        ask(neighbour)
        before = process.memory_info().rss
        command = [sys.executable, "-m", "tests.e2e.attacks.attacker", name, engine.url, "no-key"]
        attack = subprocess.Popen(command, cwd=PROJECT_ROOT)
        worst = 0.0
        while attack.poll() is None:
            worst = max(worst, ask(neighbour))
            time.sleep(PROBE_SECONDS / 4)
        kept = process.memory_info().rss - before
        print(f"\nengine, {name}: the neighbour's worst answer {worst:.2f} s; {kept / 1e6:.0f} MB more in memory")
        assert attack.returncode == 0
        assert worst <= PROBE_SECONDS * PATIENCE
    wait_until(lambda: process.memory_info().rss < before + KEPT_BYTES, what="the memory to come back")
