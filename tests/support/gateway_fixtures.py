"""One live gateway a module: alone, or with a real worker. Tests share the module's event loop."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx2
import pytest
import pytest_asyncio

from tests.support.gateway import Mill, new_name, open_mill
from tests.support.stack import PrivatePostgres, PrivateRedis

REDIS_DATABASE = 15


@dataclass(frozen=True)
class Stores:
    """A module's own databases."""

    database_url: str
    redis_url: str


@pytest.fixture(scope="module")
def stores(postgres_server: PrivatePostgres, redis_server: PrivateRedis) -> Iterator[Stores]:
    """A migrated database and an empty Redis database for the module."""
    name = postgres_server.create_database()
    redis_server.flush(REDIS_DATABASE)
    yield Stores(postgres_server.database_url(name), redis_server.database_url(REDIS_DATABASE))
    postgres_server.drop_database(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mill]:
    """A gateway without workers: what it writes stays as it was written."""
    folder = tmp_path_factory.mktemp("gateway")
    async with open_mill(folder, database_url=stores.database_url, redis_url=stores.redis_url) as mill:
        yield mill


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mill(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mill]:
    """A gateway with a real worker behind it."""
    folder = tmp_path_factory.mktemp("mill")
    queues = "interactive,generation,datasets,maintenance"
    async with open_mill(
        folder, database_url=stores.database_url, redis_url=stores.redis_url, queues=queues, keep_alive_seconds=1.0
    ) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def client(request: pytest.FixtureRequest) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a project of its own, at whichever of the two the test asks for."""
    name = "mill" if "mill" in request.fixturenames else "gateway"
    opened: Mill = request.getfixturevalue(name)
    made = await opened.client(new_name("project"))
    async with made:
        yield made
