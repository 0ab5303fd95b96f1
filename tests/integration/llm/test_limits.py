"""Rate limits on a real Redis: held by several workers together, over pauses, and without Redis."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.workers.providers.rate_limits import RateLimit, RateLimits
from shared.stores.redis.connection import open_redis
from tests.support.stack import PrivateRedis


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A connection to the test's own database."""
    opened = open_redis(redis_url)
    yield opened
    await opened.aclose()


async def take(limits: RateLimits, wanted: list[RateLimit], until: float, rows: int, taken: list[float]) -> None:
    """Reserve as fast as the limits allow, noting when each permit came."""
    while time.monotonic() < until:
        grant = await limits.reserve(wanted, rows)
        taken += [time.monotonic()] * grant.rows
        await asyncio.sleep(min(grant.wait_seconds, 0.05) if grant.rows == 0 else 0)


def count_most(taken: list[float], window_seconds: float) -> int:
    """Return the largest number of permits in any window."""
    return max(sum(start <= moment < start + window_seconds for moment in taken) for start in taken)


async def test_workers_together_keep_the_limit_and_use_it(redis: Redis) -> None:
    limit = [RateLimit("provider/model", "requests_per_minute", 6_000)]
    taken: list[float] = []
    until = time.monotonic() + 4
    await asyncio.gather(*(take(RateLimits(redis, f"w{n}"), limit, until, 16, taken) for n in range(8)))

    assert count_most(taken, 1.0) <= 100 + 30  # a second's share, and the burst of half a percent of a minute
    assert count_most(taken, 3.0) <= 300 + 30
    assert len(taken) >= 0.97 * 4 * 100


async def test_the_tightest_of_several_limits_counts_and_is_named(redis: Redis) -> None:
    limits = RateLimits(redis, "w")
    wanted = [
        RateLimit("provider/model", "requests_per_minute", 100_000),
        RateLimit("gen_1", "tokens_per_minute", 6_000, units_per_row=300),
    ]
    grant = await limits.reserve(wanted, 10)
    assert (grant.rows, grant.limited_by) == (1, "tokens_per_minute")
    assert 2.5 < grant.wait_seconds < 3.5


async def test_permits_that_were_not_used_can_be_given_back(redis: Redis) -> None:
    limits = RateLimits(redis, "w")
    wanted = [RateLimit("p/m", "requests_per_minute", 60)]
    assert (await limits.reserve(wanted, 1)).rows == 1
    assert (await limits.reserve(wanted, 1)).rows == 0
    await limits.adjust(wanted, [-1])
    assert (await limits.reserve(wanted, 1)).rows == 1


async def test_runs_make_room_for_calls_that_ask_for_no_permit(redis: Redis) -> None:
    limit = [RateLimit("provider/model", "requests_per_minute", 6_000)]
    runs, texts = RateLimits(redis, "runs"), RateLimits(redis, "texts")
    taken: list[float] = []

    async def talk(until: float) -> None:
        while time.monotonic() < until:
            await texts.charge(limit)
            taken.append(time.monotonic())
            await asyncio.sleep(0.02)

    await texts.charge(limit)
    until = time.monotonic() + 4
    await asyncio.gather(take(runs, limit, until, 16, granted := []), talk(until))
    assert count_most(sorted([*taken, *granted]), 3.0) <= 300 + 30
    assert len(taken) > 100
    assert len(granted) + len(taken) >= 0.85 * 4 * 100


async def test_a_share_is_left_to_texts_that_somebody_waits_for_while_there_are_any(redis: Redis) -> None:
    limits, limit = RateLimits(redis, "w"), RateLimit("p/m", "requests_per_minute", 60)
    other = RateLimit("p/n", "requests_per_minute", 60)
    await limits.charge([limit])
    await redis.delete(limit.key)
    for asked in (limit, other):
        assert (await limits.reserve([asked], 1)).rows == 1
    with_texts, without = [(await limits.reserve([asked], 1)).wait_seconds for asked in (limit, other)]
    assert with_texts == pytest.approx(without / 0.9, rel=0.05)


async def test_a_crowd_of_texts_silences_runs_for_a_minute_at_most(redis: Redis) -> None:
    limits, limit = RateLimits(redis, "w"), RateLimit("p/m", "requests_per_minute", 60)
    for _ in range(200):
        await limits.charge([limit])
    grant = await limits.reserve([limit], 1)
    assert (grant.rows, grant.limited_by) == (0, "requests_per_minute")
    assert 50 < grant.wait_seconds <= 60


async def test_a_flushed_redis_gives_no_more_than_a_burst(redis: Redis) -> None:
    limits = RateLimits(redis, "w")
    wanted = [RateLimit("p/m", "requests_per_minute", 600)]
    before = (await limits.reserve(wanted, 1_000)).rows
    await redis.flushdb()
    after = (await limits.reserve(wanted, 1_000)).rows
    assert before == after <= 6


async def test_without_redis_a_worker_keeps_to_its_share(tmp_path: Path) -> None:
    with PrivateRedis(tmp_path) as server:
        connection = open_redis(server.url)
        workers = [RateLimits(connection, f"w{n}") for n in range(4)]
        wanted = [RateLimit("p/m", "requests_per_minute", 2_400)]
        for worker in workers:
            await worker.reserve(wanted, 1)
        await workers[0].reserve(wanted, 1)  # by now all four have been seen
        server.kill()
        taken: list[float] = []
        await take(workers[0], wanted, time.monotonic() + 3, 4, taken)
        assert 0 < len(taken) <= 10 * 3 + 2
        await connection.aclose()
