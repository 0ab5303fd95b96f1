"""Connections to Postgres. One `Database` per process; sessions commit at the edge only."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from shared.contracts.storable import encode_storable_json
from shared.settings import Settings
from shared.stores.away import STORE_AWAY, is_away, is_read_only, tell_postgres_away
from shared.stores.db.changing_url import follow_url_file
from shared.stores.db.idle_connections import ping_idle_connections
from shared.stores.db.parameters import send_storable_texts
from shared.stores.db.server_settings import apply_server_settings, driver_options

CONNECT_TIMEOUT_SECONDS = 5
DEAD_PEER: Final = {
    "tcp_user_timeout": 3000,
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
}
"""libpq's words, milliseconds and seconds: a server that has vanished without a word (a firewall, a moved address) is
noticed within 3 s of being asked. Otherwise it would be waited for past the leases, which last 10 s."""
POOL_WAIT_SECONDS = 10
MAX_OVERFLOW = 10
UNBOUND = text("select set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)")


class Database:
    """The connection pool of a process. Lazy: nothing is opened before the first session."""

    def __init__(self, settings: Settings) -> None:
        self.engine: AsyncEngine = create_async_engine(
            settings.sqlalchemy_url,
            pool_size=settings.database_pool_size,
            max_overflow=MAX_OVERFLOW,
            pool_timeout=POOL_WAIT_SECONDS,
            pool_use_lifo=True,
            json_serializer=write_json,
            json_deserializer=orjson.loads,
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                **DEAD_PEER,
                "application_name": "storymill",
                **driver_options(settings),
            },
        )
        follow_url_file(self.engine, settings)
        ping_idle_connections(self.engine)
        send_storable_texts(self.engine)
        apply_server_settings(self.engine, settings)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        # A pooler gives each transaction another connection, and its settings with it: there it takes a whole one.
        takes_settings = settings.database_pooler == "transaction"
        self._single = self.engine if takes_settings else self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Yield a session that commits when the block ends and rolls back when it raises.

        Keep blocks short: no model call, no HTTP, no waiting inside. Raises: StoreAwayError when Postgres is away; what
        it refuses for good comes as SQLAlchemy's error."""
        with translating():
            async with self._sessions() as session, session.begin(), leaving_read_only(session):
                yield session

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection for one statement, which is a transaction of its own: one round trip instead of three.
        Raises: as `transaction`."""
        with translating():
            async with self._single.connect() as connection, connection.begin(), leaving_read_only(connection):
                yield connection

    @asynccontextmanager
    async def long_transaction(self) -> AsyncIterator[AsyncSession]:
        """Yield a session as `transaction` does, whose statements and waits for locks may take any time: for work in
        bulk. It is ended all the same when this process falls silent in it."""
        async with self.transaction() as session:
            await session.execute(UNBOUND)
            yield session

    async def ping(self) -> None:
        """Ask Postgres for nothing. Raises: StoreAwayError when it is not reached, or cannot answer just now."""
        with translating():
            async with self.engine.connect() as connection:
                await connection.execute(text("select 1"))

    async def close(self) -> None:
        """Close every pooled connection."""
        await self.engine.dispose()


@contextmanager
def translating() -> Iterator[None]:
    """Turn what says that Postgres is away into our own error."""
    try:
        yield
    except Exception as error:
        if is_away(error) and not isinstance(error, STORE_AWAY):
            raise tell_postgres_away(error) from error
        raise


@asynccontextmanager
async def leaving_read_only(session: AsyncSession | AsyncConnection) -> AsyncIterator[None]:
    """Drop the connection when its server takes no writes: the pool would go on with it after a failover."""
    try:
        yield
    except Exception as error:
        if is_read_only(error):
            await session.invalidate()
        raise


def write_json(value: Any) -> str:
    """Return a JSON column's value as text that Postgres can hold. Read and written by orjson, as answers are: Postgres
    spells 1e20 as 100000000000000000000, which the standard library reads as an integer that no answer could carry."""
    return encode_storable_json(value, option=orjson.OPT_NON_STR_KEYS).decode()
