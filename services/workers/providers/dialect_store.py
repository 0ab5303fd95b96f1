"""What the workers of a cluster have learnt of their providers' dialects, in Redis: lost with it, and learnt again."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import orjson
from redis.asyncio import Redis

from shared.outside.providers.dialects import Change, Changes
from shared.stores.away import AWAY_OR_SILENT
from shared.stores.redis.provider_facts import DIALECT_PREFIX, as_text

KEPT_SECONDS: Final = 7 * 24 * 3600
"""Then it is learnt anew, by a call that is refused: providers are mended too."""
TIMEOUT_SECONDS: Final = 1.0


class RedisDialects:
    """A hash a provider: model → changes. Without Redis each process learns by itself."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read(self, provider: str) -> Mapping[str, Changes]:
        """Return what is known of a provider, by model."""
        with suppress(*AWAY_OR_SILENT):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                found = await self._redis.hgetall(DIALECT_PREFIX + provider)
            return {as_text(model): read_changes(raw) for model, raw in found.items()}
        return {}

    async def write(self, provider: str, model: str, changes: Changes) -> None:
        """Keep what was learnt of a model."""
        with suppress(*AWAY_OR_SILENT):
            async with asyncio.timeout(TIMEOUT_SECONDS), self._redis.pipeline() as pipe:
                pipe.hset(DIALECT_PREFIX + provider, model, orjson.dumps(sorted(changes)))
                pipe.expire(DIALECT_PREFIX + provider, KEPT_SECONDS)
                await pipe.execute()


def read_changes(raw: bytes | str) -> Changes:
    """Return the changes that we know; a later version may have written others."""
    known = {str(change) for change in Change}
    return frozenset(Change(name) for name in orjson.loads(raw) if name in known)
