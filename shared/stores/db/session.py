"""Connections to Postgres. One `Database` per process; sessions commit at the edge only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from shared.contracts.storable import encode_storable_json
from shared.settings import Settings
from shared.stores.db.parameters import send_storable_texts

CONNECT_TIMEOUT_SECONDS = 5
POOL_WAIT_SECONDS = 10
MAX_OVERFLOW = 10
PLANNER_OPTIONS = "-c plan_cache_mode=force_custom_plan -c random_page_cost=1.1 -c jit=off"
"""Tables grow from nothing to a million rows within minutes, before anybody analyzes them: a plan cached for the empty
table would scan the full one for every batch. Short transactions on warm pages gain from indexes, never from JIT."""


class Database:
    """The connection pool of a process. Lazy: nothing is opened before the first session."""

    def __init__(self, settings: Settings) -> None:
        self.engine: AsyncEngine = create_async_engine(
            settings.sqlalchemy_url,
            pool_size=settings.database_pool_size,
            max_overflow=MAX_OVERFLOW,
            pool_timeout=POOL_WAIT_SECONDS,
            pool_pre_ping=True,
            json_serializer=write_json,
            json_deserializer=orjson.loads,
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "application_name": "storymill",
                "options": PLANNER_OPTIONS,
            },
        )
        send_storable_texts(self.engine)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Yield a session that commits when the block ends and rolls back when it raises.

        Keep blocks short: no model call, no HTTP, no waiting inside."""
        async with self._sessions() as session, session.begin():
            yield session

    async def ping(self) -> None:
        """Raise SQLAlchemy's OperationalError when Postgres does not answer."""
        async with self.engine.connect() as connection:
            await connection.execute(text("select 1"))

    async def close(self) -> None:
        """Close every pooled connection."""
        await self.engine.dispose()


def write_json(value: Any) -> str:
    """Return a JSON column's value as text that Postgres can hold. Read and written by orjson, as answers are: Postgres
    spells 1e20 as 100000000000000000000, which the standard library reads as an integer that no answer could carry."""
    return encode_storable_json(value, option=orjson.OPT_NON_STR_KEYS).decode()
