"""Start, overload, clients that leave, and the end."""

import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.support.live_engine import LiveEngine

LONG = {"model": "tiny", "prompt": "a", "max_tokens": 1800, "stream": True, "logit_bias": {"1": -100}}
StartEngine = Callable[..., LiveEngine]


@pytest.fixture
def start_engine(tiny_folder: Path, tmp_path: Path) -> Iterator[StartEngine]:
    started: list[LiveEngine] = []

    def start(model: Path | str = tiny_folder, **settings: object) -> LiveEngine:
        started.append(LiveEngine(model, tmp_path, **settings))
        return started[-1]

    yield start
    for engine in started:
        engine.stop()


def test_a_client_that_leaves_frees_its_place_streaming_or_not(engine: LiveEngine) -> None:
    # Hundreds of tokens remain unwritten; the place is free long before they could be.
    long = {**LONG, "max_tokens": 500}
    with httpx2.stream("POST", f"{engine.url}/v1/completions", json=long) as response:
        lines = response.iter_lines()
        next(lines)
        engine.wait_for_metric("engine_sequences_running", 1)
    engine.wait_for_metric("engine_sequences_running", 0)
    written = engine.read_metric("engine_completion_tokens_total")
    before = engine.read_metric("engine_clients_disconnected_total")
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"{engine.url}/v1/completions", json={**long, "stream": False, "n": 16}, timeout=0.2)
    engine.wait_for_metric("engine_sequences_running", 0)
    engine.wait_for_metric("engine_clients_disconnected_total", before + 1)
    assert engine.read_metric("engine_completion_tokens_total") < written + 16 * 500


@pytest.fixture(scope="module")
def narrow_engine(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveEngine]:
    """An engine that writes one text at a time and lets two wait."""
    server = LiveEngine(tiny_folder, tmp_path_factory.mktemp("narrow"), max_batch_size=1, max_queued_sequences=2)
    yield server
    server.stop()


def test_the_engine_is_alive_before_it_is_ready(narrow_engine: LiveEngine) -> None:
    narrow_engine.wait_for("/livez", 200)
    early = httpx2.get(f"{narrow_engine.url}/readyz")
    assert early.status_code in {200, 503}  # loading takes a moment; both answers have their shape
    if early.status_code == 503:
        assert early.json()["error"]["code"] == "starting"
        assert early.json()["status"]
    narrow_engine.wait_until_ready()
    assert httpx2.get(f"{narrow_engine.url}/readyz").json() == {"status": "ready", "model": "tiny"}


def test_interactive_overtakes_volume_and_a_full_queue_answers_429(narrow_engine: LiveEngine) -> None:
    engine, order = narrow_engine, []
    engine.wait_until_ready()
    url = f"{engine.url}/v1/completions"

    def write(priority: str) -> None:
        headers = {"x-storymill-priority": priority}
        body = {**LONG, "max_tokens": 5, "stream": False}
        assert httpx2.post(url, json=body, headers=headers, timeout=60).status_code == 200
        order.append(priority)

    with ThreadPoolExecutor() as pool, httpx2.stream("POST", url, json=LONG, timeout=60) as first:
        lines = first.iter_lines()  # dropping it would close the stream
        next(lines)
        waiting = [pool.submit(write, "volume")]
        engine.wait_for_metric("engine_sequences_waiting", 1)
        waiting.append(pool.submit(write, "interactive"))
        engine.wait_for_metric("engine_sequences_waiting", 2)
        refused = httpx2.post(url, json=LONG)
        lines.close()
        first.close()
        for one in waiting:
            one.result(timeout=60)
    assert order == ["interactive", "volume"]
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "engine_overloaded"
    assert int(refused.headers["retry-after-ms"]) > 0
    assert int(refused.headers["retry-after"]) > 0


def test_texts_of_one_token_leave_the_queue_as_others_do(narrow_engine: LiveEngine) -> None:
    narrow_engine.wait_until_ready()
    body = {**LONG, "max_tokens": 1, "stream": False}
    answers = [httpx2.post(f"{narrow_engine.url}/v1/completions", json=body, timeout=60) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 6


def test_sigterm_lets_short_texts_end_and_cuts_long_ones_with_an_error(start_engine: StartEngine) -> None:
    engine = start_engine(drain_seconds=0.5, context_length=100_000, max_batch_size=2)
    engine.wait_until_ready()
    with httpx2.stream("POST", f"{engine.url}/v1/completions", json={**LONG, "max_tokens": 1900}, timeout=60) as stream:
        lines = stream.iter_lines()
        next(lines)
        engine.terminate()
        events = [line for line in lines if line]
    assert json.loads(events[-1].removeprefix("data: "))["error"]["code"] == "shutting_down"
    assert engine.process.wait(timeout=20) in {0, -signal.SIGTERM}


def test_a_model_that_is_not_there_ends_the_engine_with_a_message(start_engine: StartEngine, tmp_path: Path) -> None:
    engine = start_engine(tmp_path / "no-model")
    assert engine.process.wait(timeout=60) == 1
    assert "the model cannot be served" in engine.log_path.read_text()
