"""Pooled connections that have lain idle are asked whether they still lead anywhere. SQLAlchemy's `pool_pre_ping` asks
before every use: on a busy process a quarter of all round trips, for connections used a moment ago."""

import time
from typing import Final

from sqlalchemy import event, exc
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

TRUSTED_SECONDS: Final = 0.5
"""After its last use: a server cannot be restarted in less."""
USED_AT: Final = "used_at"


def ping_idle_connections(engine: AsyncEngine) -> None:
    """Ask before a connection is used again after a while; one that is dead, and those as old, are replaced."""
    dialect = engine.sync_engine.dialect

    def note_use(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info[USED_AT] = time.monotonic()

    def ping(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
        if time.monotonic() - record.info.get(USED_AT, time.monotonic()) < TRUSTED_SECONDS:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            if not dialect.is_disconnect(error, connection, None):
                raise
            raise exc.InvalidatePoolError from error

    event.listen(engine.sync_engine, "checkin", note_use)
    event.listen(engine.sync_engine, "checkout", ping)
