"""Texts that came to nothing, as OpenAI errors with the status that clients treat rightly."""

from typing import Any, Final

from shared.contracts.kept_errors import RETRY_AFTER_SECONDS, STATUS, show_error
from shared.errors import StorymillError
from shared.http.answers import JsonAnswer, retry_headers
from shared.stores.db.models import Completion

SAFE_STATUS: Final = {409: 400, 503: 429}
"""Legacy clients retry 409 for ever and die of 503."""
DEFAULT_STATUS: Final = 502
OVERLOAD_RETRY_SECONDS: Final = 2.0
NO_CREDIT: Final = "insufficient_quota"
"""OpenAI answers 429 for it, too; waiting cures nothing."""
NO_RETRY: Final = {"x-should-retry": "false"}
"""The worker has retried already; the SDK's own retries would pay again."""


def failed_row_answer(row: Completion) -> JsonAnswer:
    """Return the answer for a text that failed or was cancelled."""
    status, error = describe_failure(row)
    wait_seconds = (row.error or {}).get(RETRY_AFTER_SECONDS) or OVERLOAD_RETRY_SECONDS
    headers = retry_headers(wait_seconds) if status == 429 and error["code"] != NO_CREDIT else NO_RETRY
    return JsonAnswer({"error": error}, status, headers)


def describe_failure(row: Completion) -> tuple[int, dict[str, Any]]:
    """Return status and inner error object of a row that did not succeed."""
    if row.status == "cancelled":
        return 400, cancelled_error()
    error = show_error(row.error) or {}
    status = (row.error or {}).get(STATUS)
    if not isinstance(status, int) or status < 400:
        status = DEFAULT_STATUS
    return SAFE_STATUS.get(status, status), {**plain_error("The text could not be written."), **error}


def cancelled_error() -> dict[str, Any]:
    """Return the inner error object of a cancelled text."""
    return {
        "message": "The text was cancelled before it was finished.",
        "type": "invalid_request_error",
        "param": None,
        "code": "cancelled",
    }


def plain_error(message: str) -> dict[str, Any]:
    """Return an inner error object of the server's own fault."""
    return {"message": message, "type": "server_error", "param": None, "code": None}


def describe_exception(error: Exception) -> dict[str, Any]:
    """Return the inner error object for an exception met while following a stream."""
    if isinstance(error, StorymillError):
        return dict(error.body()["error"])
    return plain_error("The stream was interrupted. Try again.")
