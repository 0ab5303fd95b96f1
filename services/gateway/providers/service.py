"""The providers of this mill, each with the newest verdict on it and what the workers know beside. The provider's own
words may quote another project: only a key with the scope `operate` reads them."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from services.gateway.wiring import Gateway
from shared.auth.principal import OPERATE, Principal
from shared.clock import unix_seconds
from shared.errors import NotFoundError
from shared.http.answers import Json
from shared.outside.providers.configuration import Provider
from shared.stores.away import AWAY_OR_SILENT
from shared.stores.db.models import ProviderState
from shared.stores.db.repositories.provider_states import list_states
from shared.stores.redis.provider_facts import ProviderFacts, fingerprint

FACTS_TIMEOUT_SECONDS: Final = 1.0
NO_FACTS: Final[Json] = dict.fromkeys(("learnt_limits", "calls_in_flight", "silent_models", "dialects"))


async def list_providers(gateway: Gateway, caller: Principal) -> list[Json]:
    """Return every provider that is configured, the default first."""
    states = await find_newest(gateway)
    providers = gateway.catalog.providers.all
    return [await describe_provider(gateway, caller, provider, states.get(provider.name)) for provider in providers]


async def get_provider(gateway: Gateway, caller: Principal, name: str) -> Json:
    """Return one provider. Raises: NotFoundError when none is called so."""
    provider = require_provider(gateway, name)
    return await describe_provider(gateway, caller, provider, (await find_newest(gateway)).get(name))


def require_provider(gateway: Gateway, name: str) -> Provider:
    """Return a provider that is configured. Raises: NotFoundError when none is called so."""
    provider = gateway.catalog.providers.find(name)
    if provider is None:
        known = ", ".join(provider.name for provider in gateway.catalog.providers.all)
        raise NotFoundError(f"This mill has no provider '{name}'; it has: {known}.", param="name")
    return provider


async def find_newest(gateway: Gateway) -> Mapping[str, ProviderState]:
    """Return the newest verdict by provider, whatever key it was about: that is the key in use."""
    newest: dict[str, ProviderState] = {}
    async with gateway.database.transaction() as session:
        for state in await list_states(session):
            newest.setdefault(state.provider, state)
    return newest


async def describe_provider(
    gateway: Gateway, caller: Principal, provider: Provider, state: ProviderState | None
) -> Json:
    """Return the provider object, as the caller may see it."""
    shown = shape_provider(provider, state, with_words=OPERATE in caller.scopes)
    return {**shown, **(await read_facts(ProviderFacts(gateway.redis, provider.name, fingerprint(provider.api_key))))}


async def read_facts(facts: ProviderFacts) -> Json:
    """Return what the workers know beside the verdict; nulls while Redis is away."""
    try:
        async with asyncio.timeout(FACTS_TIMEOUT_SECONDS):
            return {
                "learnt_limits": await facts.read_limits(),
                "calls_in_flight": await facts.count_calls(),
                "silent_models": list_silent(await facts.read_models()),
                "dialects": await facts.read_dialect(),
            }
    except AWAY_OR_SILENT:
        return NO_FACTS


def list_silent(standings: Mapping[str, Any]) -> list[Json]:
    """Return the models that take no calls just now."""
    return [
        {"model": model, "since": int(standing["since"]), "until": int(standing["until"])}
        for model, standing in sorted(standings.items())
        if standing.get("verdict") == "silent" and (standing.get("until") or 0) > time.time()
    ]


def shape_provider(provider: Provider, state: ProviderState | None, *, with_words: bool) -> Json:
    """Return how a provider stands. Nothing was seen of one that was never called."""
    return {
        "object": "provider",
        "name": provider.name,
        "verdict": state.verdict if state else "well",
        "since": unix_seconds(state.since) if state else None,
        "until": unix_seconds(state.until) if state and state.until else None,
        "seen_at": unix_seconds(state.seen_at) if state else None,
        "last_failure": shape_failure(state, with_words=with_words) if state and state.failure_class else None,
        "limits": {
            "requests_per_minute": provider.requests_per_minute,
            "tokens_per_minute": provider.tokens_per_minute,
            "concurrency": provider.concurrency,
        },
    }


def shape_failure(state: ProviderState, *, with_words: bool) -> Json:
    """Return what went wrong last."""
    words = {"message": state.message} if with_words else {}
    return {"class": state.failure_class, "upstream_status": state.upstream_status, **words}
