"""One mill whose engine trains a tiny model, and the databases under it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.gateway import Mill
from tests.support.gateway_fixtures import Stores, client, gateway, stores
from tests.support.tuning_mill import open_tuning_mill

__all__ = ["client", "gateway", "stores", "tuning_mill"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tuning_mill(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mill]:
    """Gateway, worker and engine."""
    async with open_tuning_mill(tmp_path_factory.mktemp("commands"), stores) as opened:
        yield opened
