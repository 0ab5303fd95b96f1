"""Every error, on every path, in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`."""

import errno
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from shared.errors import (
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
    RequestTooLargeError,
    ServiceUnavailableError,
    StorymillError,
)
from shared.http.answers import JsonAnswer, answer_error
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY

COMPLETION_SUFFIX: Final = "/completions"
"""On these routes overload is 429: legacy clients give up on 503 and retry 409 for ever."""
STORE_RETRY_SECONDS: Final = 2.0
FULL_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")
PLAIN_TYPES: Final = ("str", "int", "float", "bool")
CHOICE_TAGS: Final = frozenset((*PLAIN_TYPES, *(f"constrained-{name}" for name in PLAIN_TYPES)))
"""What pydantic puts into the path of a finding for a choice between plain types, with bounds or without."""
NO_FIELDS: Final = frozenset({"body", "query", "path", "header"})
"""What pydantic's path begins with: where the field was sent, which the client knows."""

log = get_logger(__name__)


def say_no_more(_path: str) -> str:
    """Return no hint."""
    return ""


def install_error_handlers(
    app: FastAPI, *, hint_at_url: Callable[[str], str] = say_no_more, choice_tags: Collection[str] = ()
) -> None:
    """Make `app` answer every error in one shape. `choice_tags`: names of the app's types that pydantic puts into the
    path of a finding where several may be sent; `hint_at_url` says what to do instead of asking
    a URL that nothing serves."""

    async def answer_http_error(request: Request, error: Exception) -> JsonAnswer:
        assert isinstance(error, HTTPException)
        return describe_http_error(request, error, hint_at_url)

    async def answer_invalid(_request: Request, error: Exception) -> JsonAnswer:
        assert isinstance(error, RequestValidationError)
        return answer_error(describe_validation(error.errors()[0], CHOICE_TAGS.union(choice_tags)))

    app.add_exception_handler(StorymillError, answer_storymill_error)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    for store_error in STORE_AWAY:
        app.add_exception_handler(store_error, answer_store_error)
    app.add_exception_handler(OSError, answer_system_error)
    app.add_exception_handler(Exception, answer_crash)


async def answer_storymill_error(request: Request, error: Exception) -> JsonAnswer:
    """Answer as the error says; a store that is away is a 429 on completion routes, which answer no 503."""
    assert isinstance(error, StorymillError)
    if error.status == 503 and request.url.path.endswith(COMPLETION_SUFFIX):
        error = RateLimitedError(error.message, retry_after_seconds=STORE_RETRY_SECONDS)
    return answer_error(error)


def describe_http_error(request: Request, error: HTTPException, hint_at_url: Callable[[str], str]) -> JsonAnswer:
    """Answer what the framework refuses: unknown routes, methods, bodies that cannot be read."""
    if error.status_code == 413:
        return answer_error(RequestTooLargeError(error.detail))
    if error.status_code == 404:
        message = f"Unknown request URL: {request.method} {request.url.path}.{hint_at_url(request.url.path)}"
        return answer_error(NotFoundError(message, code="unknown_url"))
    if error.status_code == 405:
        message = f"Not allowed to {request.method} on {request.url.path}."
        return answer_plain(405, message, "method_not_allowed", {"allow": ", ".join(list_methods(request))})
    return answer_plain(error.status_code, error.detail, None, error.headers)


def list_methods(request: Request) -> list[str]:
    """Return what may be done at a URL. Routes have a method each, and the framework tells the first one's alone."""

    def is_served(method: str) -> bool:
        asked = {**request.scope, "method": method}
        return any(route.matches(asked)[0] is Match.FULL for route in request.app.routes)

    return [method for method in METHODS if is_served(method)]


def answer_plain(status: int, message: str, code: str | None, headers: Mapping[str, str] | None = None) -> JsonAnswer:
    """Answer an error that has a status of its own."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return JsonAnswer({"error": {"message": message, "type": kind, "param": None, "code": code}}, status, headers)


def describe_validation(problem: Mapping[str, Any], choice_tags: Collection[str]) -> InvalidRequestError:
    """Return pydantic's finding in our words: the first field that is wrong, and why."""
    path = [str(part) for part in problem["loc"] if part not in NO_FIELDS and not _is_choice_tag(part, choice_tags)]
    param = ".".join(path)
    message = str(problem["msg"]).removeprefix("Value error, ")
    return InvalidRequestError(f"{param}: {message}" if param else f"body: {message}", param=param or None)


def _is_choice_tag(part: str | int, choice_tags: Collection[str]) -> bool:
    """Say whether a step of pydantic's path names one of several allowed types instead of a field."""
    return isinstance(part, str) and (part in choice_tags or "[" in part)


async def answer_store_error(request: Request, error: Exception) -> JsonAnswer:
    """Answer while Postgres or Redis is out of reach: nothing is lost, come back."""
    log.error("store_unreachable", path=request.url.path, error=str(error).splitlines()[0])
    return await answer_storymill_error(
        request, ServiceUnavailableError("A store of this server is out of reach just now. Try again.")
    )


async def answer_system_error(request: Request, error: Exception) -> JsonAnswer:
    """Answer while our own disk takes nothing. Raises: any other error of the system, a defect."""
    if not isinstance(error, OSError) or error.errno not in FULL_DISK:
        raise error
    log.error("disk_full", path=request.url.path, error=str(error))
    message = "The disk of this server is full: nothing is kept until its operator frees some space. Try again later."
    return await answer_storymill_error(request, ServiceUnavailableError(message, code="disk_full"))


async def answer_crash(request: Request, error: Exception) -> JsonAnswer:
    """Answer a defect of ours; the traceback is in the log under the request id."""
    log.error("request_crashed", path=request.url.path, exc_info=error)
    return answer_plain(500, "The server had an error while processing your request. Sorry about that!", None)
