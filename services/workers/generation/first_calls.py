"""Whose turn the first calls of a run are: one process's, until the provider has shown that it takes them. So few calls
meet a refusal, however many workers come to the run at once. Kept in Redis, with the refusals so far, which whoever
asks next adds to; without Redis each process goes by what it sees itself."""

import asyncio
import time
from contextlib import suppress
from typing import Final

import orjson
from redis.asyncio import Redis

from services.workers.generation.run_trust import RunTrust
from shared.stores.away import AWAY_OR_SILENT
from shared.stores.redis.provider_facts import as_text

KEY_PREFIX: Final = "sm:first-calls:"
LEASE_SECONDS: Final = 10.0
"""A process that dies in its turn holds the others up for so long. Renewed with the rows."""
ASK_AGAIN_SECONDS: Final = 0.1
REFUSALS_KEPT_SECONDS: Final = 24 * 3600
REDIS_TIMEOUT_SECONDS: Final = 1.0


class FirstCalls:
    """One slice's part in the first calls of a run. `is_fresh`: the run was just resumed, so what was refused before
    counts no more."""

    def __init__(
        self, redis: Redis, worker_id: str, generation_id: str, trust: RunTrust, *, is_fresh: bool = False
    ) -> None:
        self._redis = redis
        self._worker_id = worker_id
        self._counts_from = time.time() if is_fresh else 0.0
        self._turn_key = KEY_PREFIX + generation_id
        self._refusals_key = f"{self._turn_key}:refusals"
        self._trust = trust
        self._is_ours = False
        self._ask_at = float("-inf")

    async def may_ask(self) -> bool:
        """Say whether this process may make calls: the run is proven, or it is this one's turn. A turn lasts until the
        run is proven, or `end`."""
        if self._trust.is_proven:
            if self._is_ours:
                await self.end()
            return True
        if not self._is_ours and time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + ASK_AGAIN_SECONDS
            await self._take()
        return self._is_ours

    async def renew(self) -> None:
        """Hold on to the turn, if it is ours, and let the next one know what was refused in it."""
        if self._is_ours:
            with suppress(*AWAY_OR_SILENT):
                async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                    if await self._is_held():
                        await self._tell()
                        await self._redis.pexpire(self._turn_key, int(LEASE_SECONDS * 1000))

    async def end(self) -> None:
        """Let another one ask."""
        if self._is_ours:
            self._is_ours = False
            with suppress(*AWAY_OR_SILENT):
                async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                    if await self._is_held():
                        await self._tell()
                        await self._redis.delete(self._turn_key)

    async def _take(self) -> None:
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                lease = int(LEASE_SECONDS * 1000)
                if not await self._redis.set(self._turn_key, self._worker_id, nx=True, px=lease):
                    return
                self._is_ours = True  # whatever comes now: the turn must be ended
                raw = await self._redis.get(self._refusals_key)
                told_at, refusals = orjson.loads(raw) if raw is not None else (0.0, [])
                if told_at >= self._counts_from:
                    self._trust.hear_refusals(refusals)
                await self._tell()
        except AWAY_OR_SILENT:
            self._is_ours = True  # alone as far as we can see

    async def _is_held(self) -> bool:
        """Say whether Redis knows that it is our turn: a process that was frozen may have lost it."""
        holder = await self._redis.get(self._turn_key)
        return holder is not None and as_text(holder) == self._worker_id

    async def _tell(self) -> None:
        refusals = self._trust.tell_refusals()
        if refusals:
            told = orjson.dumps((time.time(), refusals))
            await self._redis.set(self._refusals_key, told, ex=REFUSALS_KEPT_SECONDS)
        else:
            await self._redis.delete(self._refusals_key)
