"""Tickets on a real Redis: good once, and not for long."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from shared.auth.principal import Principal
from shared.auth.tickets import TICKET_SECONDS, issue_ticket, redeem_ticket
from shared.errors import AuthenticationError
from shared.stores.redis.connection import open_redis

ALICE = Principal("proj_1", "key_1", frozenset({"read", "write"}))


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """An empty Redis."""
    opened = open_redis(redis_url)
    yield opened
    await opened.aclose()


async def test_a_ticket_stands_for_its_principal_once(redis: Redis) -> None:
    ticket = await issue_ticket(redis, ALICE)
    assert await redeem_ticket(redis, ticket) == ALICE
    with pytest.raises(AuthenticationError):
        await redeem_ticket(redis, ticket)


async def test_of_many_who_use_a_ticket_at_once_one_gets_in(redis: Redis) -> None:
    ticket = await issue_ticket(redis, ALICE)
    results = await asyncio.gather(*(redeem_ticket(redis, ticket) for _ in range(10)), return_exceptions=True)
    assert [result for result in results if result == ALICE] == [ALICE]
    assert sum(isinstance(result, AuthenticationError) for result in results) == 9


async def test_a_ticket_lives_at_most_thirty_seconds_and_stands_nowhere(redis: Redis) -> None:
    ticket = await issue_ticket(redis, ALICE, seconds=3600)
    (key,) = await redis.keys("*")
    assert 0 < await redis.ttl(key) <= TICKET_SECONDS == 30
    assert ticket.encode() not in key
    assert ticket.encode() not in (await redis.get(key))


@pytest.mark.parametrize("ticket", ["", "tick_unknown", "\ud800", "x" * 10_000])
async def test_a_made_up_ticket_opens_nothing(ticket: str, redis: Redis) -> None:
    with pytest.raises(AuthenticationError):
        await redeem_ticket(redis, ticket)
