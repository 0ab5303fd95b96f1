"""All providers that this process has called, kept in step with the other processes of the cluster."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from redis.asyncio import Redis

from services.workers.providers.health import REDIS_TIMEOUT_SECONDS, ProviderHealth
from services.workers.providers.model_health import ModelHealth
from shared.observability.logs import get_logger
from shared.outside.providers.configuration import Provider, Target
from shared.stores.away import AWAY_OR_SILENT
from shared.stores.redis.provider_facts import fingerprint

SYNC_SECONDS: Final = 0.25
CANCEL_AGAIN_SECONDS: Final = 1.0
"""redis-py sends with `asyncio.wait_for`, which before Python 3.12 loses a cancellation that comes with its result."""

Changed = Callable[[ProviderHealth], Awaitable[None]]

log = get_logger(__name__)


class ProviderHealths:
    """One per process. `patience_seconds`: how long calls may hang before a provider is looked at askance."""

    def __init__(self, redis: Redis, worker_id: str, tell: Changed, patience_seconds: float) -> None:
        self._redis = redis
        self._worker_id = worker_id
        self._tell = tell
        self._patience_seconds = patience_seconds
        self._healths: dict[tuple[str, str], ProviderHealth] = {}
        self._syncing: asyncio.Task[None] | None = None
        self._telling: dict[ProviderHealth, asyncio.Task[None]] = {}

    async def find(self, provider: Provider) -> ProviderHealth:
        """Return the health of a provider; what the others know of it is heard first."""
        key = (provider.name, fingerprint(provider.api_key))
        health = self._healths.get(key)
        if health is None:
            health = self._healths[key] = ProviderHealth(self._redis, provider, self._worker_id, self._patience_seconds)
            with suppress(*AWAY_OR_SILENT):
                async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                    await health.sync()
                health.note_seen()
        if self._syncing is None:
            self._syncing = asyncio.create_task(self._sync_for_ever(), name="provider-healths")
        return health

    async def find_for(self, target: Target) -> ModelHealth:
        """Return the health of a provider as a call for one of its models sees it."""
        return ModelHealth(await self.find(target.provider), target.model)

    async def stop(self) -> None:
        """Tell no more and hear no more."""
        while self._syncing is not None and not self._syncing.done():
            self._syncing.cancel()
            await asyncio.wait({self._syncing}, timeout=CANCEL_AGAIN_SECONDS)
        await asyncio.gather(*self._telling.values(), return_exceptions=True)
        for health in self._healths.values():
            health.give_up_probe()

    async def _sync_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            for health in list(self._healths.values()):
                try:
                    await self._sync_one(health)
                except AWAY_OR_SILENT:
                    continue
                except Exception:  # a defect of ours must not end the exchange
                    log.exception("provider_not_synced", provider=health.provider.name)

    async def _sync_one(self, health: ProviderHealth) -> None:
        health.look_at_calls()
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                await health.sync()
        finally:
            if health.untold is not None and health not in self._telling:
                self._telling[health] = asyncio.create_task(self._tell_one(health))

    async def _tell_one(self, health: ProviderHealth) -> None:
        """Beside the exchange: Postgres may be slow just now, and the others must hear."""
        try:
            await self._tell(health)
        except Exception:  # a defect of ours: the next round tries again
            log.exception("verdict_not_told", provider=health.provider.name)
        finally:
            self._telling.pop(health, None)
