"""Long prompts cost the engine's other clients nothing: they are tokenised beside its loop, or refused unread."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2

from tests.support.live_engine import LiveEngine

PATIENCE = float(os.environ.get("STORYMILL_TEST_PATIENCE", "1"))
LONGEST_WAIT_SECONDS = 0.5
"""On a busy machine; before, the loop stood still for as long as the tokenizer worked."""


def post(engine: LiveEngine, path: str, **body: Any) -> httpx2.Response:
    """Ask for one token."""
    return httpx2.post(f"{engine.url}{path}", json={"model": "tiny", "max_tokens": 1, **body}, timeout=120)


def test_what_is_too_long_whatever_its_tokens_are_is_refused_unread(engine: LiveEngine) -> None:
    text = "故事 and more " * 500_000
    bodies = {
        "/v1/completions": {"prompt": text},
        "/v1/chat/completions": {"messages": [{"role": "user", "content": text}]},
    }
    for path, body in bodies.items():
        begun = time.monotonic()
        error = post(engine, path, **body).json()["error"]
        assert time.monotonic() - begun < 2 * PATIENCE
        assert error["code"] == "context_length_exceeded"
        assert "at least" in error["message"]


def test_long_prompts_do_not_hold_up_the_others(engine: LiveEngine) -> None:
    """Each is within what a context may hold, and all of them within a body; only in tokens they are too long."""
    prompts = ["".join(chr(97 + (place * step) % 26) for place in range(4_000)) for step in range(1, 101)]
    with ThreadPoolExecutor(4) as threads:
        posted = [threads.submit(post, engine, "/v1/completions", prompt=prompts) for _ in range(8)]
        worst = 0.0
        while not all(one.done() for one in posted):
            begun = time.monotonic()
            assert httpx2.get(f"{engine.url}/livez", timeout=30).status_code == 200
            worst = max(worst, time.monotonic() - begun)
        refusals = [one.result().json()["error"] for one in posted]
    assert {error["code"] for error in refusals} == {"context_length_exceeded"}
    assert {"at least" in error["message"] for error in refusals} == {False}
    assert worst <= LONGEST_WAIT_SECONDS * PATIENCE


def test_a_prompt_is_refused_by_the_number_of_its_texts_before_they_are_read(engine: LiveEngine) -> None:
    error = post(engine, "/v1/completions", prompt=["a" * 1000] * 1000).json()["error"]
    assert error["param"] == "n"
