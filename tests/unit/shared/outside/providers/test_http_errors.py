"""Statuses, codes and waiting times of providers as failure classes."""

import pytest

from shared.outside.providers.border.http_errors import error_from_response
from shared.outside.providers.failures import FailureClass


@pytest.mark.parametrize(
    ("status", "code", "expected", "retryable"),
    [
        (400, None, FailureClass.INVALID_REQUEST, False),
        (400, "content_filter", FailureClass.CONTENT_FILTER, False),
        (401, "invalid_api_key", FailureClass.AUTHENTICATION, False),
        (403, None, FailureClass.AUTHENTICATION, False),
        (404, "model_not_found", FailureClass.NOT_FOUND, False),
        (408, None, FailureClass.TIMEOUT, True),
        (409, None, FailureClass.SERVER_ERROR, True),
        (422, None, FailureClass.INVALID_REQUEST, False),
        (429, "rate_limit_exceeded", FailureClass.RATE_LIMITED, True),
        (429, "insufficient_quota", FailureClass.QUOTA_EXHAUSTED, False),
        (500, "model_not_found", FailureClass.SERVER_ERROR, True),
        (503, None, FailureClass.SERVER_ERROR, True),
        (504, None, FailureClass.TIMEOUT, True),
        (302, None, FailureClass.SERVER_ERROR, True),
        (413, "rate_limit_exceeded", FailureClass.INVALID_REQUEST, False),
        (424, None, FailureClass.SERVER_ERROR, True),
        (498, "capacity_exceeded", FailureClass.SERVER_ERROR, True),
        (499, None, FailureClass.SERVER_ERROR, True),
    ],
)
def test_a_status_has_a_failure_class(status: int, code: str | None, expected: FailureClass, retryable: bool) -> None:
    raw = b'{"error": {"message": "no", "code": %s}}' % (f'"{code}"'.encode() if code else b"null")
    error = error_from_response(status, raw, {"x-request-id": "r1"})
    assert (error.failure_class, error.failure_class.retryable) == (expected, retryable)
    assert (error.upstream_status, error.request_id) == (status, "r1")


@pytest.mark.parametrize(
    "raw", [b"", b"<html>Bad gateway</html>", b"[]", b'{"detail": "x"}', b'{"error": "plain"}', b"\xff"]
)
def test_any_body_makes_an_error_with_a_message(raw: bytes) -> None:
    error = error_from_response(502, raw, {})
    assert error.failure_class is FailureClass.SERVER_ERROR
    assert error.message


@pytest.mark.parametrize(
    ("status", "answered"), [(400, 400), (401, 502), (404, 404), (409, 502), (429, 429), (503, 502)]
)
def test_our_client_is_never_answered_409_or_503(status: int, answered: int) -> None:
    assert error_from_response(status, b"{}", {}).client_error()["status"] == answered


@pytest.mark.parametrize("status", [400, 404, 405, 410])
def test_a_page_is_the_doing_of_something_before_the_provider(status: int) -> None:
    page = b"\n <!DOCTYPE html><html><title>nginx</title></html>"
    assert error_from_response(status, page, {}).failure_class is FailureClass.SERVER_ERROR


def test_a_page_about_the_size_of_a_request_or_the_key_is_what_its_status_says() -> None:
    page = b"<html><title>413 Request Entity Too Large</title></html>"
    assert error_from_response(413, page, {}).failure_class is FailureClass.INVALID_REQUEST
    assert error_from_response(403, page, {}).failure_class is FailureClass.AUTHENTICATION


def test_a_redirect_says_where_it_leads() -> None:
    error = error_from_response(302, b"", {"location": "https://sso.example/login"})
    assert "https://sso.example/login" in error.message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"Message": "not authorized"}', "not authorized"),
        (b'{"success": false, "errors": [{"code": 5007, "message": "No such model"}], "result": {}}', "No such model"),
    ],
)
def test_words_are_found_where_other_houses_put_them(body: bytes, words: str) -> None:
    assert words in error_from_response(400, body, {}).message


def test_a_throttled_call_with_status_400_is_no_wrong_request() -> None:
    body = b'{"__type": "ThrottlingException", "message": "Too many requests"}'
    assert error_from_response(400, body, {}).failure_class is FailureClass.RATE_LIMITED
