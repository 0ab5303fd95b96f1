"""What the workers of a cluster know of a provider beside the verdict, in Redis: calls under way, limits that its
answers told, models that take no calls for a while, and its dialect. Written by workers, read by the gateway; lost
without harm."""

import hashlib
import time
from collections.abc import Mapping
from typing import Any, Final

import orjson
from redis.asyncio import Redis

STANDING_PREFIX: Final = "sm:provider:"
DIALECT_PREFIX: Final = "sm:dialect:"
KEPT_SECONDS: Final = 7 * 86_400
LISTS_KEPT_SECONDS: Final = 60
FINGERPRINT_DIGITS: Final = 16
CALLS_SEEN_SECONDS: Final = 10.0
"""A process that has not told for so long makes no calls any more."""


def fingerprint(api_key: str | None) -> str:
    """Return what tells keys apart without telling them: a new key begins with a clean slate."""
    return hashlib.sha256((api_key or "").encode()).hexdigest()[:FINGERPRINT_DIGITS]


class ProviderFacts:
    """One provider and key. What it raises are the errors of a Redis that is away."""

    def __init__(self, redis: Redis, provider: str, fingerprint: str) -> None:
        self._redis = redis
        self.standing_key = f"{STANDING_PREFIX}{provider}:{fingerprint}"
        self._calls_key = f"{self.standing_key}:calls"
        self._limits_key = f"{self.standing_key}:limits"
        self._models_key = f"{self.standing_key}:models"
        self._dialect_key = f"{DIALECT_PREFIX}{provider}"

    async def tell_calls(self, worker_id: str, calls: int) -> None:
        """Say how many calls a process has under way."""
        async with self._redis.pipeline() as pipe:
            pipe.hset(self._calls_key, worker_id, f"{calls}:{time.time():.0f}")
            pipe.expire(self._calls_key, 60)
            await pipe.execute()

    async def count_calls(self) -> int:
        """Return how many calls all processes have under way."""
        told = (as_text(value).partition(":") for value in (await self._redis.hgetall(self._calls_key)).values())
        return sum(int(calls) for calls, _, at in told if time.time() - float(at) < CALLS_SEEN_SECONDS)

    async def tell_limits(self, model: str, limits: Mapping[str, int]) -> None:
        """Keep the limits that an answer told."""
        await self._keep(self._limits_key, model, limits)

    async def read_limits(self) -> dict[str, Any]:
        """Return the limits by model."""
        return await self._read(self._limits_key)

    async def tell_model(self, model: str, standing: Mapping[str, Any]) -> None:
        """Keep how one model stands."""
        await self._keep(self._models_key, model, standing)

    async def read_models(self) -> dict[str, Any]:
        """Return how models stand that do not stand as their provider does."""
        return await self._read(self._models_key)

    async def read_dialect(self) -> dict[str, Any]:
        """Return by model what was learnt of its words."""
        return await self._read(self._dialect_key)

    async def tell_lists(self, errand_id: str, found: Mapping[str, Any]) -> None:
        """Say what a look at the provider's lists has found, for whoever sent for it."""
        await self._redis.set(self._lists_key(errand_id), orjson.dumps(found), ex=LISTS_KEPT_SECONDS)

    async def find_lists(self, errand_id: str) -> dict[str, Any] | None:
        """Return what a look has found; None until it has."""
        found = await self._redis.get(self._lists_key(errand_id))
        return None if found is None else orjson.loads(found)

    def _lists_key(self, errand_id: str) -> str:
        return f"{self.standing_key}:lists:{errand_id}"

    async def _keep(self, key: str, model: str, value: Mapping[str, Any]) -> None:
        async with self._redis.pipeline() as pipe:
            pipe.hset(key, model, orjson.dumps(value))
            pipe.expire(key, KEPT_SECONDS)
            await pipe.execute()

    async def _read(self, key: str) -> dict[str, Any]:
        found = await self._redis.hgetall(key)
        return {as_text(model): orjson.loads(raw) for model, raw in found.items()}


def as_text(value: bytes | str) -> str:
    """Return what Redis holds as text, however its client was opened."""
    return value.decode() if isinstance(value, bytes) else value
