"""Limits in the head of an answer, and refusals that are about one model. Words as users of the named servers report
them."""

from typing import Any

import pytest

from shared.outside.providers.border.http_errors import error_from_body
from shared.outside.providers.border.stated_limits import names_model, read_limits

OPENAI = "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29000."
GROQ = "Rate limit reached for model `llama-3.3-70b-versatile` in organization `org_x` on tokens per day (TPD)"
ANTHROPIC = "This request would exceed your organization's rate limit of 50,000 input tokens per minute"


@pytest.mark.parametrize(
    ("headers", "limits"),
    [
        ({"x-ratelimit-limit-requests": "10000", "x-ratelimit-limit-tokens": "200000"}, (10_000, 200_000)),
        ({"anthropic-ratelimit-requests-limit": "50"}, (50, None)),
        ({"x-ratelimit-limit-tokens-minute": "60000"}, (None, 60_000)),
        ({"x-ratelimit-limit-requests": "-1", "x-ratelimit-limit-tokens": "many"}, (None, None)),
        ({"x-ratelimit-limit-requests": "9" * 400}, (None, None)),
    ],
)
def test_limits_are_read_in_the_usual_spellings(headers: dict[str, str], limits: tuple[int | None, int | None]) -> None:
    found = read_limits(headers)
    assert (found.get("requests"), found.get("tokens")) == limits


@pytest.mark.parametrize(
    ("message", "model", "is_named"),
    [
        (OPENAI, "gpt-4o", True),
        (OPENAI, "gpt-4", False),
        (OPENAI, "openai/gpt-4o", True),
        (OPENAI.replace("gpt-4o", "gpt-4o-mini"), "gpt-4o", False),
        (GROQ, "llama-3.3-70b-versatile", True),
        (ANTHROPIC, "claude-sonnet-4", False),
        ("a.b+c", "a.b+c", True),
        ("anything", "", False),
    ],
)
def test_words_name_a_model(message: str, model: str, is_named: bool) -> None:
    assert names_model(message, model) is is_named


@pytest.mark.parametrize(
    ("inner", "is_of_one_model"),
    [
        ({"message": "Service tier capacity exceeded for this model."}, True),  # Mistral
        ({"message": "You exceeded your current quota", "details": [
            {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]}, True),  # Gemini
        ({"message": "Provider returned error", "metadata": {
            "raw": "qwen/qwen3:free is temporarily rate-limited upstream"}}, True),  # OpenRouter
        ({"message": "Requests rate limit exceeded"}, False),
        ({"message": ANTHROPIC}, False),
        ({"message": None, "details": 3, "metadata": [None]}, False),
    ],
)  # fmt: skip
def test_a_refusal_says_that_it_is_about_one_model(inner: dict[str, Any], is_of_one_model: bool) -> None:
    assert error_from_body(429, {"error": inner}, {}).is_of_one_model is is_of_one_model
