"""Which provider serves which model, from their `/models`, cached. For the gateway (is this name good?) and the
workers (where does the call go?). An unreachable provider is no reason to refuse: the worker will see."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

from shared.observability.logs import get_logger
from shared.outside.providers.border.model_list import ListedModel
from shared.outside.providers.client import LlmClient
from shared.outside.providers.configuration import Provider, Providers, Target
from shared.outside.providers.failures import LlmError

TTL_SECONDS: Final = 10.0
MISS_REFRESH_SECONDS: Final = 1.0
"""A name that is not there makes us look again, but not more often than this; the asker waits for it."""
MISS_ROUNDS: Final = 2
"""The first may only join a question that was on its way before the model was made."""
TIMER_SLACK_SECONDS: Final = 0.02
"""A sleep may end so much too early; without this the list would be taken for young enough once more."""
LIST_TIMEOUT_SECONDS: Final = 3.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """A model that may be asked for."""

    id: str
    provider: str
    listed: bool
    """False when the provider could not be asked, and the name is taken on trust."""
    created: int = 0
    owned_by: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further fields of the provider's model object."""


@dataclass(slots=True)
class _Listing:
    """What a provider said last."""

    models: dict[str, CatalogModel] | None = None
    """None: it has never told."""
    asked_at: float = float("-inf")
    """When it was last asked, not when it answered: what it made in between is not in the list."""
    reachable: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class ModelCatalog:
    """The providers' model lists, at most TTL_SECONDS old. One per process."""

    def __init__(self, providers: Providers, client: LlmClient, *, ttl_seconds: float = TTL_SECONDS) -> None:
        self.providers = providers
        self._client = client
        self._ttl_seconds = ttl_seconds
        self._behind: asyncio.Task[None] | None = None
        self._listings = {provider.name: _Listing() for provider in providers.all}

    async def list_models(self) -> list[CatalogModel]:
        """Return every listed model, the default provider's first; a name that two list counts for the first."""
        await self._refresh(self._ttl_seconds)
        models: dict[str, CatalogModel] = {}
        for provider in self.providers.all:
            for model in (self._listings[provider.name].models or {}).values():
                models.setdefault(model.id, model)
        return list(models.values())

    async def find(self, model: str) -> CatalogModel | None:
        """Return the model, or None if every provider that could serve it was asked and does not have it."""
        found = self._find_listed(model)
        if found is not None:
            self._refresh_behind()  # nobody waits for a list that is merely old
            return found
        window_seconds = min(MISS_REFRESH_SECONDS, self._ttl_seconds)
        begun_at = time.monotonic()
        for _ in range(MISS_ROUNDS):
            await asyncio.sleep(self._seconds_until_older(window_seconds))  # a model may have been made a moment ago
            await self._refresh(window_seconds - TIMER_SLACK_SECONDS)
            if self._find_listed(model) is not None or self._was_asked_since(begun_at):
                break
        return self._find_listed(model) or self._find_on_trust(model)

    def find_known_target(self, model: str) -> Target | None:
        """Return where a call for `model` goes if its provider's last list has it; asks nobody now."""
        found = self._find_listed(model)
        if found is None:
            return None
        self._refresh_behind()
        provider = self.providers.find(found.provider)
        return Target(provider, model) if provider else None

    async def find_target(self, model: str) -> Target | None:
        """Return where a call for `model` goes; None when `find` gives none."""
        found = await self.find(model)
        provider = self.providers.find(found.provider) if found else None
        return Target(provider, model) if provider else None

    def _find_listed(self, model: str) -> CatalogModel | None:
        for provider in self.providers.all:
            found = (self._listings[provider.name].models or {}).get(model)
            if found is not None:
                return found
        return None

    def _seconds_until_older(self, seconds: float) -> float:
        """Return how long to wait until every list that a reachable provider gave is `seconds` old."""
        asked = [listing.asked_at for listing in self._listings.values() if listing.reachable]
        return max(0.0, max(asked, default=float("-inf")) + seconds - time.monotonic())

    def _was_asked_since(self, moment: float) -> bool:
        """Say whether every reachable provider's list was asked for after a moment."""
        return all(listing.asked_at >= moment for listing in self._listings.values() if listing.reachable)

    def _find_on_trust(self, model: str) -> CatalogModel | None:
        for provider in self.providers.candidates(model):
            if not self._listings[provider.name].reachable:
                return CatalogModel(model, provider.name, listed=False)
        return None

    def _refresh_behind(self) -> None:
        if self._behind is None or self._behind.done():
            self._behind = asyncio.create_task(self._refresh(self._ttl_seconds))

    async def _refresh(self, older_than_seconds: float) -> None:
        await asyncio.gather(*(self._refresh_one(provider, older_than_seconds) for provider in self.providers.all))

    async def _refresh_one(self, provider: Provider, older_than_seconds: float) -> None:
        listing = self._listings[provider.name]
        asked_before = listing.asked_at
        if not listing.reachable:  # do not make every caller wait for a server that is away
            older_than_seconds = self._ttl_seconds
        if time.monotonic() - asked_before < older_than_seconds:
            return
        async with listing.lock:
            if listing.asked_at != asked_before:  # somebody else asked while we waited
                return
            asked_at = time.monotonic()
            try:
                listed = await self._client.list_models(provider, LIST_TIMEOUT_SECONDS)
            except LlmError as error:
                listing.reachable = False  # the last known list goes on serving
                log.warning("models_not_listed", provider=provider.name, error=error.message)
            else:
                listing.models = {model.id: describe_model(provider, model) for model in listed}
                listing.reachable = True
            listing.asked_at = asked_at


def describe_model(provider: Provider, model: ListedModel) -> CatalogModel:
    """Return a listed model as the catalog keeps it."""
    return CatalogModel(
        model.id,
        provider.name,
        listed=True,
        created=model.created,
        owned_by=model.owned_by or provider.name,
        extra=model.extra,
    )
