"""A gateway with a real worker that writes stories and prepares datasets; one without workers; a client."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.gateway import Mill, open_mill
from tests.support.gateway_fixtures import Stores, client, gateway, stores

__all__ = ["client", "gateway", "mill", "stores"]


PRICES = """
[providers.upstream.prices."scripted-*"]
input_usd_per_million = 3.7
output_usd_per_million = 11.1
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mill(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mill]:
    """A gateway with a real worker behind it."""
    urls = {"database_url": stores.database_url, "redis_url": stores.redis_url}
    folder = tmp_path_factory.mktemp("mill")
    (folder / "providers.toml").write_text(PRICES)
    options: dict[str, Any] = {"queues": "generation,datasets,maintenance", "providers_file": folder / "providers.toml"}
    async with open_mill(folder, **urls, **options) as opened:
        yield opened
