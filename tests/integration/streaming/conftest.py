"""The streaming service, running, for each test."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.integration.streaming.service import Service, serve


@pytest_asyncio.fixture
async def service(database_url: str, redis_url: str) -> AsyncIterator[Service]:
    """A streaming service of the test's own."""
    async with serve(database_url, redis_url) as running:
        yield running
