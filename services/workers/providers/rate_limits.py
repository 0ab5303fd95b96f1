"""Requests and tokens per minute, held by the whole cluster: one Redis call reserves a batch against every limit.

Each limit is a GCRA bucket (one number: the moment up to which capacity is given away), with the time of Redis, so
clocks of workers do not matter. When Redis is gone, a worker keeps to its share of the limit by itself.

Texts that somebody waits for ask for no permit: they are charged as they leave, and while there are any, runs leave a
part of the limit to them."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from redis.asyncio import Redis

from shared.observability.logs import get_logger
from shared.outside.providers.configuration import Provider
from shared.stores.away import AWAY_OR_SILENT

LimitName = Literal["requests_per_minute", "tokens_per_minute"]

WINDOW_SECONDS: Final = 60.0
USED_SHARE: Final = 0.985
"""Part of the limit that is handed out. The rest (0.9 s of a minute) covers the time that calls take to arrive:
the provider counts at its door."""
BURST_SHARE: Final = 0.005
"""Part of a minute's units that may leave at once after a pause: keeps the limit used although workers look in only
now and then."""
WAITING_SHARE: Final = 0.1
"""Part of the limit that runs leave to texts that somebody waits for, once there are such texts."""
WAITING_SEEN_SECONDS: Final = 300
"""After the last one runs have the whole limit again."""
WORKER_SEEN_SECONDS: Final = 30
REDIS_TIMEOUT_SECONDS: Final = 1.0
REDIS_PAUSE_SECONDS: Final = 1.0
"""After a failure Redis is not asked again for so long."""
MICROSECONDS: Final = 1_000_000
KEY_PREFIX: Final = "sm:limit:"
WORKERS_KEY: Final = KEY_PREFIX + "workers"

RESERVE: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local workers = KEYS[#KEYS]
redis.call('ZADD', workers, now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', workers, 0, now - tonumber(ARGV[2]))
local granted, limiting, wait = tonumber(ARGV[3]), 0, 0
local given, steps, count = {}, {}, (#KEYS - 1) / 2
for i = 1, count do
  local step, tolerance = tonumber(ARGV[2 * i + 3]), tonumber(ARGV[2 * i + 4])
  if redis.call('EXISTS', KEYS[count + i]) == 1 then step = step / (1 - tonumber(ARGV[4])) end
  steps[i] = step
  given[i] = math.max(tonumber(redis.call('GET', KEYS[i]) or 0), now)
  local room = now + tolerance - given[i]
  local fits = room < 0 and 0 or math.floor(room / step) + 1
  if fits < granted then
    granted, limiting, wait = fits, i, math.max(0, given[i] + fits * step - now - tolerance)
  end
end
if granted > 0 then
  for i = 1, count do
    local upto = given[i] + granted * steps[i]
    redis.call('SET', KEYS[i], string.format('%.0f', upto), 'PX', math.ceil((upto - now) / 1000) + 1000)
  end
end
return {granted, limiting, math.ceil(wait), redis.call('ZCARD', workers)}
"""
"""KEYS: buckets, for each the mark of texts that somebody waits for, then the set of workers. ARGV: worker, seen µs,
rows wanted, the share of such texts, then step and tolerance (µs) a bucket. Returns rows granted, place of the bucket
that limits (0: none), µs until it has room again, number of workers."""

ADJUST: Final = """
for i = 1, #KEYS do
  local upto = redis.call('GET', KEYS[i])
  if upto then redis.call('SET', KEYS[i], string.format('%.0f', upto + tonumber(ARGV[i])), 'KEEPTTL') end
end
"""

CHARGE: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
for i = 1, #KEYS / 2 do
  local given = math.max(tonumber(redis.call('GET', KEYS[i]) or 0), now)
  local upto = math.max(given, math.min(given + tonumber(ARGV[i + 2]), now + tonumber(ARGV[1])))
  redis.call('SET', KEYS[i], string.format('%.0f', upto), 'PX', math.ceil((upto - now) / 1000) + 1000)
  redis.call('SET', KEYS[#KEYS / 2 + i], 1, 'EX', ARGV[2])
end
"""
"""KEYS: buckets, then for each its mark. ARGV: the most that may be owed (µs), how long the mark stands (s), then what
a bucket is charged (µs)."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One limit, as a batch meets it."""

    scope: str
    """What it belongs to: `provider/model`, or a generation's id."""
    name: LimitName
    units_per_minute: int
    units_per_row: int = 1

    @property
    def key(self) -> str:
        """The bucket's name in Redis."""
        return f"{KEY_PREFIX}{self.scope}:{self.name}"

    @property
    def waiting_key(self) -> str:
        """What says in Redis that there are texts under this limit that somebody waits for."""
        return f"{KEY_PREFIX}{self.scope}:waiting"

    def unit_seconds(self, workers: int = 1) -> float:
        """Return the time that one unit takes up, when the limit is shared by so many. It is made so that no
        window of a minute sees more whole rows than the limit allows."""
        rows = self.units_per_minute // self.units_per_row
        units = (rows * self.units_per_row or self.units_per_minute) * USED_SHARE / workers
        return WINDOW_SECONDS / units

    def tolerance_seconds(self) -> float:
        """Return how far ahead of its time a row may leave."""
        rows_at_once = max(1, math.floor(BURST_SHARE * self.units_per_minute / self.units_per_row))
        return (rows_at_once - 1) * self.units_per_row * self.unit_seconds()


def build_limits(scope: str, requests: int | None, tokens: int | None, tokens_per_call: int) -> list[RateLimit]:
    """Return the limits of a scope that are set."""
    pairs: tuple[tuple[LimitName, int | None, int], ...] = (
        ("requests_per_minute", requests, 1),
        ("tokens_per_minute", tokens, tokens_per_call),
    )
    return [RateLimit(scope, name, units, cost) for name, units, cost in pairs if units]


def provider_limits(provider: Provider, model: str, tokens_per_call: int) -> list[RateLimit]:
    """Return the limits that all calls of a model come under, whoever makes them."""
    scope = f"{provider.name}/{model}"
    return build_limits(scope, provider.requests_per_minute, provider.tokens_per_minute, tokens_per_call)


@dataclass(frozen=True, slots=True)
class Grant:
    """What was reserved."""

    rows: int
    limited_by: LimitName | None = None
    """Which limit gave fewer rows than were wanted."""
    wait_seconds: float = 0.0
    """When to ask for more."""


class RateLimits:
    """A worker process's door to the limits."""

    def __init__(self, redis: Redis, worker_id: str) -> None:
        self._reserve = redis.register_script(RESERVE)
        self._charge = redis.register_script(CHARGE)
        self._adjust = redis.register_script(ADJUST)
        self._worker_id = worker_id
        self._workers_seen = 1
        self._redis_down_until = 0.0
        self._own = OwnShare()

    async def charge(self, limits: Sequence[RateLimit]) -> None:
        """Count one call against all limits, whether there is room or not, up to what a minute may have: runs wait that
        much longer. Best effort, as it is for a call that somebody waits for."""
        if not limits:
            return
        if time.monotonic() >= self._redis_down_until:
            costs = [round(limit.units_per_row * limit.unit_seconds() * MICROSECONDS) for limit in limits]
            keys = [*(limit.key for limit in limits), *(limit.waiting_key for limit in limits)]
            arguments = [round(WINDOW_SECONDS * MICROSECONDS), WAITING_SEEN_SECONDS, *costs]
            try:
                async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                    await self._charge(keys=keys, args=arguments)
            except AWAY_OR_SILENT as error:
                self._give_redis_a_rest(error)
            except Exception as defect:  # of ours: the call goes out all the same
                log.exception("limits_not_charged")
                self._give_redis_a_rest(defect)

    async def reserve(self, limits: Sequence[RateLimit], rows: int) -> Grant:
        """Reserve up to `rows` calls against all limits at once."""
        if not limits or rows <= 0:
            return Grant(max(rows, 0))
        if time.monotonic() >= self._redis_down_until:
            try:
                async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                    return await self._reserve_in_redis(limits, rows)
            except AWAY_OR_SILENT as error:
                self._give_redis_a_rest(error)
            except Exception as defect:  # of ours: the run goes on as without Redis
                log.exception("limits_not_reserved")
                self._give_redis_a_rest(defect)
        return self._own.reserve(limits, rows, self._workers_seen)

    async def adjust(self, limits: Sequence[RateLimit], units: Sequence[int]) -> None:
        """Charge more units than were reserved, or give some back (negative), one number a limit. Best effort."""
        if not any(units) or time.monotonic() < self._redis_down_until:
            return
        shifts = [
            round(count * limit.unit_seconds() * MICROSECONDS) for limit, count in zip(limits, units, strict=True)
        ]
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                await self._adjust(keys=[limit.key for limit in limits], args=shifts)
        except AWAY_OR_SILENT as error:
            self._give_redis_a_rest(error)

    async def _reserve_in_redis(self, limits: Sequence[RateLimit], rows: int) -> Grant:
        arguments: list[str | int] = [self._worker_id, WORKER_SEEN_SECONDS * MICROSECONDS, rows]
        arguments.append(str(WAITING_SHARE))
        for limit in limits:
            step = limit.units_per_row * limit.unit_seconds()
            arguments += [round(step * MICROSECONDS), round(limit.tolerance_seconds() * MICROSECONDS)]
        keys = [*(limit.key for limit in limits), *(limit.waiting_key for limit in limits), WORKERS_KEY]
        granted, limiting, wait, self._workers_seen = await self._reserve(keys=keys, args=arguments)
        name = limits[limiting - 1].name if limiting else None
        return Grant(granted, name, wait / MICROSECONDS)

    def _give_redis_a_rest(self, error: Exception) -> None:
        self._redis_down_until = time.monotonic() + REDIS_PAUSE_SECONDS
        log.warning("limits_without_redis", share_of=self._workers_seen, error=str(error) or type(error).__name__)


class OwnShare:
    """The same buckets inside one process, each limit divided by the number of workers last seen."""

    def __init__(self) -> None:
        self._given_until: dict[str, float] = {}

    def reserve(self, limits: Sequence[RateLimit], rows: int, workers: int) -> Grant:
        """Reserve up to `rows` calls against this worker's share of all limits."""
        now = time.monotonic()
        grant = Grant(rows)
        for limit in limits:
            step = limit.units_per_row * limit.unit_seconds(workers)
            ahead = max(0.0, self._given_until.get(limit.key, now) - now)
            if ahead > 0 or rows > 1:
                fits = 0 if ahead > 0 else 1  # no bursts while nobody sees the whole
                if fits < grant.rows:
                    grant = Grant(fits, limit.name, ahead or step)
        for limit in limits if grant.rows else ():
            step = limit.units_per_row * limit.unit_seconds(workers)
            self._given_until[limit.key] = now + grant.rows * step
        return grant


log = get_logger(__name__)
