"""What a real Postgres raises when it is away, as the rest of us sees it."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError, ProgrammingError

from shared.settings import Settings
from shared.stores.away import StoreAwayError
from shared.stores.db.idle_connections import TRUSTED_SECONDS
from shared.stores.db.session import Database
from tests.support.failover import end_connections, set_read_only
from tests.support.stack import PrivatePostgres

WRITE = text("create table if not exists written (n int)")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on a fresh database."""
    pool = Database(Settings.model_validate({"database_url": database_url}))
    yield pool
    await pool.close()


async def write(database: Database, *, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Write something, twice in one transaction."""
    async with database.transaction() as session:
        await session.execute(WRITE)
        meanwhile()
        await session.execute(WRITE)


async def read_impatiently(database: Database) -> None:
    """Read what `write` has made, and wait for no lock."""
    async with database.transaction() as session:
        await session.execute(text("set local lock_timeout = '50ms'"))
        await session.execute(text("select * from written"))


async def test_a_read_only_server_is_away_and_the_pool_finds_the_next_one_by_itself(
    postgres_server: PrivatePostgres, database: Database, database_url: str
) -> None:
    await write(database)
    set_read_only(postgres_server, database_url, is_read_only=True)
    await asyncio.sleep(TRUSTED_SECONDS)  # a connection used a moment ago is not asked whether it still leads anywhere
    for _ in range(3):
        with pytest.raises(StoreAwayError, match="read-only transaction"):
            await write(database)
    set_read_only(postgres_server, database_url, is_read_only=False, ends_connections=False)
    await write(database)


async def test_a_connection_that_was_ended_inside_a_transaction_is_away(
    postgres_server: PrivatePostgres, database: Database, database_url: str
) -> None:
    with pytest.raises(StoreAwayError):
        await write(database, meanwhile=lambda: end_connections(postgres_server, database_url))
    await write(database)


async def test_a_lock_that_others_hold_is_away(database: Database) -> None:
    await write(database)
    async with database.transaction() as holder:
        await holder.execute(text("lock table written"))
        with pytest.raises(StoreAwayError, match="lock timeout"):
            await read_impatiently(database)


async def test_a_server_that_is_gone_is_away(tmp_path_factory: pytest.TempPathFactory) -> None:
    gone = Database(Settings.model_validate({"database_url": "postgresql://nobody@127.0.0.1:1/none"}))
    with pytest.raises(StoreAwayError):
        await gone.ping()
    with pytest.raises(StoreAwayError):
        await write(gone)
    await gone.close()


async def test_what_postgres_refuses_keeps_its_own_error(database: Database) -> None:
    for statement, error in (("select 1/0", DataError), ("select nothing", ProgrammingError)):
        with pytest.raises(error):
            async with database.transaction() as session:
                await session.execute(text(statement))


async def test_an_error_of_the_block_goes_through_unchanged(database: Database) -> None:
    with pytest.raises(OSError, match="disk"):
        async with database.transaction():
            raise OSError("disk")
