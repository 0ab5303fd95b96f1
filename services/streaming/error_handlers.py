"""Every HTTP error in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`."""

from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared.errors import InvalidRequestError, NotFoundError, ServiceUnavailableError, StorymillError
from shared.observability.logs import get_logger

log = get_logger(__name__)


def install_error_handlers(app: FastAPI) -> None:
    """Make `app` answer every error in one shape."""
    app.add_exception_handler(StorymillError, answer_storymill_error)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    app.add_exception_handler(SQLAlchemyError, answer_store_error)
    app.add_exception_handler(RedisError, answer_store_error)
    app.add_exception_handler(Exception, answer_crash)


def answer_json(body: dict[str, Any], status: int = 200) -> Response:
    """Encode a body into a response, by the same encoder as the frames."""
    return Response(orjson.dumps(body), status, media_type="application/json")


async def answer_storymill_error(request: Request, error: Exception) -> Response:
    """Answer one of our own errors."""
    assert isinstance(error, StorymillError)
    return answer_json({"error": error.body()["error"]}, error.status)


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return await answer_storymill_error(
            request, NotFoundError(f"Unknown request URL: {request.method} {request.url.path}.", code="unknown_url")
        )
    kind = "invalid_request_error" if error.status_code < 500 else "server_error"
    body = {"message": error.detail, "type": kind, "param": None, "code": None}
    answer = answer_json({"error": body}, error.status_code)
    answer.headers.update(error.headers or {})
    return answer


async def answer_invalid(request: Request, error: Exception) -> Response:
    """Answer a request of the wrong shape."""
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    return await answer_storymill_error(request, InvalidRequestError(f"{problem['loc'][-1]}: {problem['msg']}"))


async def answer_store_error(request: Request, error: Exception) -> Response:
    """Answer while Postgres or Redis is out of reach."""
    log.error("store_unreachable", path=request.url.path, error=str(error).splitlines()[0])
    return await answer_storymill_error(
        request, ServiceUnavailableError("A store of this server is out of reach just now. Try again.")
    )


async def answer_crash(request: Request, error: Exception) -> Response:
    """Answer a defect of ours; the traceback is in the log under the request id."""
    log.error("request_crashed", path=request.url.path, exc_info=error)
    return await answer_storymill_error(request, StorymillError("The server had an error. Sorry about that!"))
