"""Every spelling of a delay, as servers really send it."""

import json
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from shared.clock import utc_now
from shared.outside.providers.border.http_errors import error_from_response
from shared.outside.providers.border.waits import read_duration
from shared.outside.providers.failures import FailureClass

GEMINI = [
    {
        "error": {
            "code": 429,
            "message": "You exceeded your current quota, please check your plan and billing details.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [
                {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaValue": "15"}]},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"},
            ],
        }
    }
]


def read_wait(status: int, body: Any = None, **headers: str) -> float | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return error_from_response(status, json.dumps(body or {}).encode(), named).retry_after_seconds


def say(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "code": "rate_limit_exceeded"}}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after_ms": "250"}, 0.25),
        ({"retry_after": "2"}, 2.0),
        ({"retry_after": "4980"}, 4980.0),
        ({"retry_after": "86400"}, 86_400.0),
        ({"retry_after": "20s"}, 20.0),
        ({"x_ratelimit_reset_requests": "6m0s", "x_ratelimit_remaining_requests": "0"}, 360.0),
        ({"x_ratelimit_reset_tokens": "120ms"}, 0.12),
        ({"x_ratelimit_reset_after": "1.5"}, 1.5),
        ({"ratelimit_reset": "30"}, 30.0),
        ({"retry_after": "7", "x_ratelimit_reset_requests": "6m0s"}, 7.0),
    ],
)
def test_a_header_names_the_wait(headers: dict[str, str], seconds: float) -> None:
    assert read_wait(429, **headers) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("name", "make_value"),
    [
        ("retry_after", lambda then: format_datetime(then, usegmt=True)),
        ("x_ratelimit_reset", lambda then: str(int(then.timestamp()))),
        ("x_ratelimit_reset", lambda then: str(int(then.timestamp() * 1000))),
        ("anthropic_ratelimit_tokens_reset", lambda then: then.isoformat()),
        ("x_ratelimit_reset", lambda then: then.strftime("%Y-%m-%dT%H:%M:%SZ")),
    ],
)
def test_a_moment_is_read_as_the_time_until_then(name: str, make_value: Any) -> None:
    found = read_wait(429, **{name: make_value(utc_now() + timedelta(minutes=10))})
    assert found == pytest.approx(600, abs=5)


def test_of_several_limits_the_one_that_is_used_up_counts() -> None:
    found = read_wait(
        429,
        x_ratelimit_remaining_requests="0",
        x_ratelimit_reset_requests="2m59.56s",
        x_ratelimit_remaining_tokens="7000",
        x_ratelimit_reset_tokens="1s",
    )
    assert found == pytest.approx(179.56)


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (GEMINI, 34.0),
        ({"error": {"details": [{"retryDelay": {"seconds": 12, "nanos": 500_000_000}}]}}, 12.5),
        ({"error": {"message": "slow", "retry_after": 3}}, 3.0),
        ({"error": {"metadata": {"headers": {"X-RateLimit-Reset": "45", "X-RateLimit-Remaining": "0"}}}}, 45.0),
        (say("Rate limit reached for gpt-4o. Please try again in 6m0s. Visit our page."), 360.0),
        (say("Please try again in 1.2s."), 1.2),
        (say("Limit 30000, Used 29000. Please try again in 120ms."), 0.12),
        (say("Requests have exceeded call rate limit. Please retry after 26 seconds."), 26.0),
        (say("Please retry in 34.074824224s."), 34.074824224),
        (say("Please try again in 7 minutes and 30 seconds"), 450.0),
    ],
)
def test_the_body_names_the_wait(body: Any, seconds: float) -> None:
    assert read_wait(429, body) == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["-1", "nan", "99999999", "soon", "", "9" * 400, "inf"])
def test_nonsense_is_no_wait(value: str) -> None:
    assert read_wait(429, retry_after=value, x_ratelimit_reset=value) is None
    assert read_wait(429, {"error": {"retryDelay": value}}) is None


def test_a_past_moment_is_no_time_to_wait() -> None:
    assert read_wait(429, retry_after="Sun, 01 Jan 2023 00:00:00 GMT") == 0


def test_limits_that_stand_on_every_answer_are_read_from_a_refusal_for_speed_alone() -> None:
    assert read_wait(500, x_ratelimit_reset_requests="6m0s") is None
    assert read_wait(503, retry_after="5") == 5


@pytest.mark.parametrize("text", ["", "5", "5 apples", "s5", "1m 2", "in 5s", "5s later"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert read_duration(text) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (402, {"error": {"message": "Insufficient Balance", "code": "invalid_request_error"}}),
        (402, {}),
        (
            400,
            {
                "error": {
                    "message": "Your credit balance is too low to access the API.",
                    "type": "invalid_request_error",
                }
            },
        ),
        (403, {"message": "Sorry, your account balance is insufficient"}),
        (429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}),
        (429, {"error": {"message": "no", "type": "insufficient_quota", "code": None}}),
        (429, {"error": {"message": "suspended", "type": "exceeded_current_quota_error"}}),
        (400, {"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."}),
        (200, {"error": {"message": "This request requires more credits", "code": 402}}),
    ],
)
def test_an_empty_account_is_known_by_status_code_or_words(status: int, body: Any) -> None:
    error = error_from_response(status, json.dumps(body).encode(), {})
    assert error.failure_class is FailureClass.QUOTA_EXHAUSTED


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, GEMINI),
        (429, say("You exceeded your current quota. Please retry in 34s.")),
        (500, {"error": {"message": "insufficient balance of the shards"}}),
        (400, {"error": {"message": "max_tokens is too large"}}),
    ],
)
def test_what_time_cures_or_a_server_mumbles_is_no_empty_account(status: int, body: Any) -> None:
    error = error_from_response(status, json.dumps(body).encode(), {})
    assert error.failure_class is not FailureClass.QUOTA_EXHAUSTED


def test_an_error_that_came_with_status_200_is_classed_by_the_status_that_it_names() -> None:
    slow = error_from_response(200, b'{"error": {"message": "slow down", "code": 429}}', {})
    busy = error_from_response(200, b'{"error": {"message": "busy", "code": "502"}}', {})
    assert (slow.failure_class, busy.failure_class) == (FailureClass.RATE_LIMITED, FailureClass.SERVER_ERROR)
