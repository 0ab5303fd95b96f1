"""What we set of Postgres: how it plans, and how long anything may hold up others.

Never by startup `options`, which poolers refuse: once per connection, or with each transaction where a pooler gives
every transaction another connection."""

from typing import Any, Final

from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

from shared.settings import Settings

PLANNING: Final = {"plan_cache_mode": "force_custom_plan", "random_page_cost": "1.1", "jit": "off"}
"""Tables grow from nothing to a million rows within minutes, before anybody analyzes them: a plan cached for the empty
table would scan the full one for every batch. Short transactions on warm pages gain from indexes, never from JIT."""


def driver_options(settings: Settings) -> dict[str, Any]:
    """Return what the driver is told of a pooler: a statement prepared on one connection is unknown on the next."""
    return {"prepare_threshold": None} if settings.database_pooler == "transaction" else {}


def server_settings(settings: Settings) -> dict[str, str]:
    """Return Postgres' settings by name; times in milliseconds, 0 for no limit."""
    return {
        **PLANNING,
        "lock_timeout": _milliseconds(settings.database_lock_timeout_seconds),
        "idle_in_transaction_session_timeout": _milliseconds(settings.database_idle_in_transaction_seconds),
        "statement_timeout": _milliseconds(settings.database_statement_timeout_seconds),
    }


def apply_server_settings(engine: AsyncEngine, settings: Settings) -> None:
    """Have every connection of the engine work under our settings, from its first transaction on."""
    is_pooled = settings.database_pooler == "transaction"
    scope = "local" if is_pooled else "session"
    statements = "; ".join(f"set {scope} {name} = {value}" for name, value in server_settings(settings).items())

    def set_for_connection(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute(statements)
        cursor.close()
        connection.commit()  # settings of a transaction that is rolled back are rolled back with it

    def set_for_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(statements)

    if is_pooled:
        event.listen(engine.sync_engine, "begin", set_for_transaction)
    else:
        event.listen(engine.sync_engine, "connect", set_for_connection)


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
