"""The providers of this mill, each with the newest verdict on it. Never with the provider's words: they may quote
another project; the workers' log has them."""

from collections.abc import Mapping

from services.gateway.wiring import Gateway
from shared.clock import unix_seconds
from shared.errors import NotFoundError
from shared.http.answers import Json
from shared.outside.providers.configuration import Provider
from shared.stores.db.models import ProviderState
from shared.stores.db.repositories.provider_states import list_states


async def list_providers(gateway: Gateway) -> list[Json]:
    """Return every provider that is configured, the default first."""
    states = await find_newest(gateway)
    return [shape_provider(provider, states.get(provider.name)) for provider in gateway.catalog.providers.all]


async def get_provider(gateway: Gateway, name: str) -> Json:
    """Return one provider. Raises: NotFoundError when none is called so."""
    provider = gateway.catalog.providers.find(name)
    if provider is None:
        raise NotFoundError(f"This mill has no provider '{name}'.", param="name")
    return shape_provider(provider, (await find_newest(gateway)).get(name))


async def find_newest(gateway: Gateway) -> Mapping[str, ProviderState]:
    """Return the newest verdict by provider, whatever key it was about: that is the key in use."""
    newest: dict[str, ProviderState] = {}
    async with gateway.database.transaction() as session:
        for state in await list_states(session):
            newest.setdefault(state.provider, state)
    return newest


def shape_provider(provider: Provider, state: ProviderState | None) -> Json:
    """Return the provider object. Nothing was seen of one that was never called."""
    return {
        "object": "provider",
        "name": provider.name,
        "verdict": state.verdict if state else "well",
        "since": unix_seconds(state.since) if state else None,
        "until": unix_seconds(state.until) if state and state.until else None,
        "seen_at": unix_seconds(state.seen_at) if state else None,
        "last_failure": None
        if state is None or state.failure_class is None
        else {"class": state.failure_class, "upstream_status": state.upstream_status},
        "limits": {
            "requests_per_minute": provider.requests_per_minute,
            "tokens_per_minute": provider.tokens_per_minute,
            "concurrency": provider.concurrency,
        },
    }
