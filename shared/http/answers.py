"""JSON answers: how a body leaves a service."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.responses import Response

from shared.errors import RateLimitedError, StorymillError

Json = dict[str, Any]


class JsonAnswer(Response):
    """A JSON body, written by orjson."""

    media_type = "application/json"

    def __init__(self, content: object, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(orjson.dumps(content), status_code, dict(headers or {}))


def answer_error(error: StorymillError, headers: Mapping[str, str] | None = None) -> JsonAnswer:
    """Return OpenAI's error body with the status and retry headers that fit."""
    retry = retry_headers(error.retry_after_seconds) if isinstance(error, RateLimitedError) else {}
    if error.status >= 500 and not error.retryable:
        retry = {"x-should-retry": "false"}
    return JsonAnswer(error.body(), error.status, {**retry, **(headers or {})})


def retry_headers(seconds: float) -> dict[str, str]:
    """Return both headers that clients know: whole seconds for most, milliseconds for the exact ones."""
    return {"retry-after": str(max(1, round(seconds))), "retry-after-ms": str(int(seconds * 1000))}


def list_body(data: Sequence[Json], *, has_more: bool) -> Json:
    """Return OpenAI's list object: the next page is `?after=<last_id>`."""
    return {
        "object": "list",
        "data": list(data),
        "has_more": has_more,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }
