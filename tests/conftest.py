"""Fixtures for every test: one real PostgreSQL and one real Redis a session, clean databases a test."""

import random
from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
import structlog
from hypothesis import settings

from shared.garbage import settle_garbage
from tests.support.chance import open_chance
from tests.support.stack import (
    REDIS_DATABASES,
    PrivatePostgres,
    PrivateRedis,
    start_postgres,
    start_redis,
)
from tests.support.upstream import ScriptedUpstream

_test_numbers = count()

settings.register_profile("told", print_blob=True)
settings.load_profile("told")

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
"""structlog's own way spells every local of every frame: seconds for an error of a deep library."""


def pytest_collection_finish() -> None:
    """Look for garbage seldom, as the services do that run in this process: a tenth of the time."""
    settle_garbage()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePostgres]:
    """The session's PostgreSQL, started by the first test that asks."""
    server = start_postgres(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRedis]:
    """The session's Redis, started by the first test that asks."""
    server = start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def database_url(postgres_server: PrivatePostgres) -> Iterator[str]:
    """A fresh database with every migration applied, dropped after the test."""
    name = postgres_server.create_database()
    yield postgres_server.database_url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def redis_url(redis_server: PrivateRedis) -> str:
    """An empty logical database. Pub/sub channels are the server's: tests use channel names of their own."""
    database = next(_test_numbers) % REDIS_DATABASES
    redis_server.flush(database)
    return redis_server.database_url(database)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Seeded chance for what a test does at random; the seed is shown where the test fails."""
    return open_chance(request.node.nodeid)


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """A scripted model provider that answers at once; tests change its `default` or `queue` scripts."""
    async with ScriptedUpstream() as server:
        yield server
