"""Assembles the engine's HTTP application."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from services.engine.errors import ApiError, error_body
from services.engine.middleware import BodyLimitMiddleware, RequestIdMiddleware, answer_error
from services.engine.routes import (
    chat,
    completions,
    embeddings,
    files,
    fine_tuning,
    models,
    operations,
    tokenizers,
    tokenizing,
)
from services.engine.serving import Serving
from services.engine.settings import EngineSettings
from services.engine.training.service import TrainingService

METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")


def create_app(settings: EngineSettings, on_failure: Callable[[], None] | None = None) -> FastAPI:
    """Build the application; it begins to load the model when it starts up.

    `on_failure` is called on the event loop when the model cannot be loaded.
    """
    serving = Serving(settings)
    training = TrainingService(settings, serving.registry)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(_load(serving, training, on_failure))
        await training.start()
        yield
        await training.stop()
        loading.cancel()
        with suppress(asyncio.CancelledError):
            await loading
        await serving.close()

    app = FastAPI(title="Storymill engine", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.serving = serving
    app.state.training = training
    app.add_middleware(BodyLimitMiddleware, settings=settings)
    app.add_middleware(RequestIdMiddleware)
    for part in (operations, tokenizers, tokenizing, models, completions, chat, embeddings, files, fine_tuning):
        app.include_router(part.router)
    app.add_exception_handler(ApiError, _answer_api_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    return app


async def _load(serving: Serving, training: TrainingService, on_failure: Callable[[], None] | None) -> None:
    await serving.load()
    if serving.registry.base_fingerprint is not None:
        await asyncio.to_thread(training.stamp_older_models)
    if serving.failure is not None and on_failure is not None:
        on_failure()


def _answer_api_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return answer_error(error)


def _answer_http_error(request: Request, error: Exception) -> JSONResponse:
    """Unknown routes, wrong methods and unreadable bodies."""
    assert isinstance(error, HTTPException)
    messages = {
        404: f"Unknown request URL: {request.method} {request.url.path}.",
        405: f"Not allowed to {request.method} on {request.url.path}.",
    }
    code = {404: "unknown_url", 405: "method_not_allowed"}.get(error.status_code)
    message = messages.get(error.status_code, str(error.detail))
    body = error_body(message, "invalid_request_error", code=code)
    headers = {"allow": ", ".join(_list_methods(request))} if error.status_code == 405 else error.headers
    return JSONResponse(body, status_code=error.status_code, headers=headers)


def _list_methods(request: Request) -> list[str]:
    """Return what may be done at a URL. Routes have a method each, and the framework tells the first one's alone."""

    def is_served(method: str) -> bool:
        asked = {**request.scope, "method": method}
        return any(route.matches(asked)[0] is Match.FULL for route in request.app.routes)

    return [method for method in METHODS if is_served(method)]


def _answer_validation_error(_: Request, error: Exception) -> JSONResponse:
    """The first thing that is wrong, with the field's path as `param`."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        message = "We could not parse the JSON body of your request."
        return JSONResponse(error_body(message, "invalid_request_error"), status_code=400)
    path = [str(part) for part in first["loc"] if part not in {"body", "query", "path"}]
    param = path[0] if path else None
    message = f"{first['msg']} ({'.'.join(path)})" if path else f"The body must be a JSON object: {first['msg']}"
    return JSONResponse(error_body(message, "invalid_request_error", param), status_code=400)
