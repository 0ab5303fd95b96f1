"""Whether a provider trains models at all: asked before a job is recorded, so that nobody waits for what cannot be."""

from typing import Final

from services.gateway.fine_tuning.starting_point import StartModel
from services.gateway.wiring import Gateway
from shared.errors import InvalidRequestError
from shared.outside.providers.configuration import Provider
from shared.outside.providers.failures import LlmError
from shared.outside.providers.fine_tuning_capabilities import GENERIC, find_capabilities

JOBS: Final = "/fine_tuning/jobs?limit=1"
NO_SUCH_ROUTE: Final = frozenset({404, 405, 501})
TIMEOUT_SECONDS: Final = 5.0


async def require_trainer(gateway: Gateway, start: StartModel, model: str) -> None:
    """Pass unless the model's provider says that it has no jobs. One that we know, that the operator describes, or that
    does not answer just now is not doubted. Raises: InvalidRequestError with what to do."""
    provider = gateway.catalog.providers.find(start.provider)
    if provider is not None and is_unknown(provider) and not await has_jobs(gateway, provider):
        message = (
            f"The provider '{provider.name}' of '{model}' trains no models (it has no /fine_tuning/jobs). Name a model "
            "of the built-in engine or of another provider: GET /v1/models lists them."
        )
        raise InvalidRequestError(message, param="model", code="fine_tuning_unsupported")


def is_unknown(provider: Provider) -> bool:
    """Say whether nothing is known of how a provider trains."""
    return find_capabilities(provider) == GENERIC and not provider.fine_tuning


async def has_jobs(gateway: Gateway, provider: Provider) -> bool:
    """Say whether a provider lists jobs, or may."""
    try:
        await gateway.llm_client.fetch(provider, JOBS, TIMEOUT_SECONDS)
    except LlmError as error:
        return error.upstream_status not in NO_SUCH_ROUTE
    return True
