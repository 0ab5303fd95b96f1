"""A gateway with a real worker that writes stories and prepares datasets; one without workers; a client."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.gateway import Mill, open_mill
from tests.support.gateway_fixtures import Stores, client, gateway, stores

__all__ = ["client", "gateway", "mill", "stores"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mill(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mill]:
    """A gateway with a real worker behind it."""
    urls = {"database_url": stores.database_url, "redis_url": stores.redis_url}
    async with open_mill(tmp_path_factory.mktemp("mill"), queues="generation,datasets,maintenance", **urls) as opened:
        yield opened
