"""The gateway's ASGI application: routes, errors, and what lies around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

from services.gateway.batches.routes import router as batches
from services.gateway.chat.answers import ChatChunk
from services.gateway.chat.routes import router as chat
from services.gateway.comparisons.routes import router as comparisons
from services.gateway.completions.answers import TextChunk
from services.gateway.completions.routes import router as completions
from services.gateway.console.routes import links as console_links
from services.gateway.console.routes import router as console
from services.gateway.datasets.routes import router as datasets
from services.gateway.embeddings.routes import router as embeddings
from services.gateway.engines.routes import router as engines
from services.gateway.estimates.routes import router as estimates
from services.gateway.files.routes import UPLOAD_PATH, uploads
from services.gateway.files.routes import router as files
from services.gateway.fine_tuning.answers import JobEvent
from services.gateway.fine_tuning.checkpoint_permissions import router as checkpoint_permissions
from services.gateway.fine_tuning.routes import router as fine_tuning
from services.gateway.generations.routes import router as generations
from services.gateway.generations.schemas import RunProgress
from services.gateway.health.routes import router as health
from services.gateway.http.openapi import describe_api
from services.gateway.legacy_fine_tunes.answers import FineTuneEvent
from services.gateway.legacy_fine_tunes.routes import router as fine_tunes
from services.gateway.limits.routes import router as limits
from services.gateway.model_aliases.routes import router as model_aliases
from services.gateway.models.routes import router as models
from services.gateway.moderations.routes import router as moderations
from services.gateway.prices.routes import router as prices
from services.gateway.providers.routes import router as providers
from services.gateway.recipes.routes import router as recipes
from services.gateway.responses.answers import ResponseEvent
from services.gateway.responses.routes import router as responses
from services.gateway.roi.routes import router as roi
from services.gateway.settings import GatewaySettings
from services.gateway.stories.routes import router as stories
from services.gateway.streams.routes import router as streams
from services.gateway.tokenizing.routes import router as tokenizing
from services.gateway.unserved import hint_at_url
from services.gateway.uploads.routes import MAX_PART_BYTES, PART_PATHS
from services.gateway.uploads.routes import parts as upload_parts
from services.gateway.uploads.routes import router as uploads_in_parts
from services.gateway.usage.routes import router as usage
from services.gateway.webhooks.routes import router as webhooks
from services.gateway.wiring import Gateway
from shared.bounds import LiveBounds
from shared.http.cross_origin import let_pages_in
from shared.http.error_handlers import install_error_handlers
from shared.http.request_limits import BodyBound, RequestLimits
from shared.observability.http import RequestObserver
from shared.observability.loop_lag import sampling_loop_lag

ROUTERS = (
    completions,
    chat,
    responses,
    embeddings,
    moderations,
    engines,
    tokenizing,
    models,
    model_aliases,
    comparisons,
    streams,
    recipes,
    generations,
    stories,
    uploads,
    files,
    uploads_in_parts,
    upload_parts,
    batches,
    fine_tuning,
    checkpoint_permissions,
    fine_tunes,
    datasets,
    estimates,
    usage,
    webhooks,
    prices,
    providers,
    limits,
    roi,
    console_links,
    console,
    health,
)

EVENT_MODELS = (ChatChunk, TextChunk, ResponseEvent, JobEvent, FineTuneEvent, RunProgress)
"""What events hold: OpenAPI 3.1 has no place of its own for it."""

CHOICE_TAGS = ("chat", "completion", "InlineRecipe", "GenerationSource", "FileSource")
"""Where a body may have one of several shapes, pydantic names the shape in the path of what it finds."""


def build_api(settings: GatewaySettings, bounds: LiveBounds) -> FastAPI:
    """Return the routes with their errors. Its documentation pages load nothing from the internet."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        gateway = Gateway.build(settings, bounds)
        app.state.gateway = gateway
        await gateway.start()
        try:
            with sampling_loop_lag():
                yield
        finally:
            await gateway.stop()

    app: FastAPI = FastAPIOffline(
        title="Storymill",
        version=version("storymill"),
        summary="Text at volume, behind OpenAI's protocol.",
        lifespan=lifespan,
        redoc_url=None,
        strict_content_type=False,
        generate_unique_id_function=lambda route: route.name,
    )
    install_error_handlers(app, hint_at_url=hint_at_url, choice_tags=CHOICE_TAGS)
    for router in ROUTERS:
        app.include_router(router)
    app.openapi = partial(describe_api, app, EVENT_MODELS)  # type: ignore[method-assign]
    return app


def create_app(settings: GatewaySettings, bounds: LiveBounds) -> ASGIApp:
    """Return the whole application, as uvicorn runs it."""

    def bound_body(path: str) -> BodyBound:
        if path == UPLOAD_PATH:
            return BodyBound(bounds.now.max_file_bytes, "max_file_bytes")
        if fnmatchcase(path, PART_PATHS):
            return BodyBound(MAX_PART_BYTES)
        return BodyBound(bounds.now.max_body_bytes, "max_body_bytes")

    limited = RequestLimits(build_api(settings, bounds), bound_body)
    return RequestObserver(let_pages_in(limited, settings.origin_list))
