"""A gateway with a real worker for models, and tenants of it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.gateway import Mill, open_mill
from tests.support.gateway_fixtures import Stores, stores
from tests.support.tuned_models import Tenant, open_tenant

__all__ = ["mill", "other", "stores", "tenant"]

QUEUES = "interactive,generation,fine_tuning,maintenance"
PRICES = """
[providers.upstream.prices."*"]
input_usd_per_million = 2.0
output_usd_per_million = 4.0
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mill(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mill]:
    """A gateway with a real worker behind it, and a scripted provider."""
    folder = tmp_path_factory.mktemp("mill")
    (folder / "providers.toml").write_text(PRICES)
    options: dict[str, Any] = {"queues": QUEUES, "providers_file": folder / "providers.toml"}
    urls = {"database_url": stores.database_url, "redis_url": stores.redis_url}
    async with open_mill(folder, **urls, **options) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def tenant(mill: Mill) -> AsyncIterator[Tenant]:
    """A project of its own."""
    async with open_tenant(mill) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def other(mill: Mill) -> AsyncIterator[Tenant]:
    """Another project."""
    async with open_tenant(mill) as opened:
        yield opened
