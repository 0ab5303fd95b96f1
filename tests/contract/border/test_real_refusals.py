"""Refusals in the words that servers are reported to use (`real_refusals.jsonl`, each with its source; where a report
has the words alone, in the server's usual form): their class, how long to wait, and what they say of the provider when
every call meets them."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from services.workers.providers.verdict import VerdictFinder
from shared.outside.providers.border.http_errors import error_from_response
from shared.outside.providers.failures import FailureClass

LINES = (Path(__file__).parent / "real_refusals.jsonl").read_bytes().splitlines()
REFUSALS = [orjson.loads(line) for line in LINES]
SERVERS = {
    *("OpenRouter", "Gemini", "Anthropic", "Mistral", "DeepSeek", "Groq", "Together", "Azure", "vLLM", "SGLang"),
    *("llama.cpp", "Ollama", "LM Studio", "LocalAI"),
}
CALLS = 10
NOW = 1_000_000.0


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal['server']}: {refusal['name']}")
def test_a_real_refusal_has_its_class_its_wait_and_its_verdict(refusal: dict[str, Any]) -> None:
    error = error_from_response(refusal["status"], refusal["body"].encode(), refusal["headers"])
    is_of_one_model = error.failure_class is FailureClass.RATE_LIMITED and error.is_of_one_model
    assert (error.failure_class, is_of_one_model) == (refusal["failure"], refusal["is_of_one_model"])
    assert error.retry_after_seconds == (refusal["wait_seconds"] and pytest.approx(refusal["wait_seconds"]))
    assert error.message
    judge = VerdictFinder()
    for number in range(CALLS):
        judge.hear_failure(error, f"row {number}", NOW, NOW)
    assert judge.standing.verdict == refusal["verdict"]
    if refusal["wait_seconds"] is not None:
        assert judge.standing.until == pytest.approx(NOW + refusal["wait_seconds"])


def test_each_refusal_says_who_gave_it_and_where_it_was_reported() -> None:
    assert {refusal["server"] for refusal in REFUSALS} >= SERVERS
    assert len({(refusal["server"], refusal["name"]) for refusal in REFUSALS}) == len(REFUSALS)
    assert all(refusal["source"].startswith("https://") for refusal in REFUSALS)
