"""Nobody holds Postgres up without end: locks, transactions and statements have bounds, with a pooler or without."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.settings import Settings
from shared.stores.away import StoreAwayError
from shared.stores.db.migrate import migrate
from shared.stores.db.repositories.projects import ensure_project
from shared.stores.db.session import Database
from tests.support.frozen_transaction import TOUCH
from tests.support.stack import PROJECT_ROOT, wait_until

MIGRATION_LOCK = 7_305_003
PLANNING = {"plan_cache_mode": "force_custom_plan", "random_page_cost": "1.1", "jit": "off"}
BOUNDS = {"lock_timeout": "8s", "idle_in_transaction_session_timeout": "5s", "statement_timeout": "1min"}


def read_settings(database_url: str, **values: Any) -> Settings:
    """Return the settings of a process on this database."""
    return Settings.model_validate({"database_url": database_url, **values})


def read_state(away: StoreAwayError) -> str | None:
    """Return what Postgres called the reason."""
    cause = away.__cause__
    return getattr(cause.orig, "sqlstate", None) if isinstance(cause, DBAPIError) else None


@asynccontextmanager
async def open_database(database_url: str, **values: Any) -> AsyncIterator[Database]:
    """Yield a process's pool, closed at the end."""
    database = Database(read_settings(database_url, **values))
    yield database
    await database.close()


@pytest.fixture
async def project_id(database_url: str) -> str:
    """A project whose row everybody wants to lock."""
    async with open_database(database_url) as database, database.transaction() as session:
        return (await ensure_project(session, "contended")).id


@pytest.fixture
def frozen(database_url: str, project_id: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that was frozen with the row locked; its transaction may be silent for a second."""
    env = {
        **os.environ,
        "STORYMILL_DATABASE_URL": database_url,
        "STORYMILL_DATABASE_IDLE_IN_TRANSACTION_SECONDS": "1",
    }
    command = [sys.executable, "-m", "tests.support.frozen_transaction", project_id]
    with subprocess.Popen(
        command, env=env, cwd=PROJECT_ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        process.send_signal(signal.SIGSTOP)
        yield process
        process.kill()


async def test_others_go_on_past_a_process_that_is_frozen_in_its_transaction(
    database_url: str, project_id: str, frozen: "subprocess.Popen[str]"
) -> None:
    async with open_database(database_url) as database, asyncio.timeout(30), database.transaction() as session:
        await session.execute(TOUCH, {"id": project_id})
    frozen.send_signal(signal.SIGCONT)
    said, _ = await asyncio.to_thread(frozen.communicate, "go on\n")
    assert said == "25P03\n"


async def test_waiting_for_a_lock_ends_at_its_bound(database_url: str, project_id: str) -> None:
    async with (
        open_database(database_url, database_idle_in_transaction_seconds=0) as holder,
        open_database(database_url, database_lock_timeout_seconds=0.2) as other,
        holder.transaction() as session,
    ):
        await session.execute(TOUCH, {"id": project_id})
        with pytest.raises(StoreAwayError) as raised:
            async with other.transaction() as blocked:
                await blocked.execute(TOUCH, {"id": project_id})
    assert read_state(raised.value) == "55P03"


@pytest.mark.parametrize("pooler", ["none", "transaction"])
async def test_a_statement_ends_at_its_bound_unless_its_transaction_is_a_long_one(
    database_url: str, pooler: str
) -> None:
    endless, longer = text("select pg_sleep(60)"), text("select pg_sleep(0.4)")
    async with open_database(database_url, database_statement_timeout_seconds=0.2, database_pooler=pooler) as database:
        with pytest.raises(StoreAwayError) as raised:
            async with database.transaction() as session:
                await session.execute(endless)
        assert read_state(raised.value) == "57014"
        async with database.long_transaction() as session:
            await session.execute(longer)


async def read_server(database: Database, names: list[str]) -> dict[str, str]:
    """Return what a transaction finds set."""
    async with database.transaction() as session:
        return {name: str(await session.scalar(text(f"show {name}"))) for name in names}


@pytest.mark.parametrize("pooler", ["none", "transaction"])
async def test_every_transaction_works_under_our_settings(database_url: str, pooler: str) -> None:
    expected = {**PLANNING, **BOUNDS}
    async with open_database(database_url, database_pooler=pooler) as database:
        for _ in range(2):
            assert await read_server(database, list(expected)) == expected
        with pytest.raises(DBAPIError):
            async with database.transaction() as session:
                await session.execute(text("select 1 / 0"))
        assert await read_server(database, list(expected)) == expected


async def test_a_pooled_connection_is_left_as_it_was_found(database_url: str) -> None:
    changed = "select name from pg_settings where name = any(%s) and source = 'session'"
    async with (
        open_database(database_url, database_pooler="transaction") as database,
        database.engine.connect() as connection,
    ):
        for _ in range(10):  # more often than the driver needs to prepare a statement
            await connection.execute(text("select 1"))
        await connection.rollback()
        driver = (await connection.get_raw_connection()).driver_connection
        assert isinstance(driver, psycopg.AsyncConnection)
        await driver.set_autocommit(True)
        prepared = await driver.execute("select name from pg_prepared_statements")
        assert await prepared.fetchall() == []
        assert await (await driver.execute(changed, [[*PLANNING, *BOUNDS]])).fetchall() == []
        await driver.set_autocommit(False)


async def test_no_startup_options_are_sent(database_url: str) -> None:
    async with open_database(database_url) as database, database.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert isinstance(driver, psycopg.AsyncConnection)
        assert driver.info.options == ""


async def test_a_migration_takes_as_long_as_it_takes(database_url: str) -> None:
    """The database bounds every statement to 100 ms; the migration waits for its turn for longer."""
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    bound = sql.SQL("alter database {} set {} = '100ms'")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", [MIGRATION_LOCK])
        for timeout in ("statement_timeout", "lock_timeout"):
            connection.execute(bound.format(sql.Identifier(name), sql.Identifier(timeout)))
        migrating = asyncio.create_task(asyncio.to_thread(migrate, read_settings(database_url).sqlalchemy_url))
        waits = "select 1 from pg_stat_activity where wait_event = 'advisory' and now() - query_start > '300ms'"

        def is_over_the_bound() -> bool:
            return migrating.done() or connection.execute(waits).fetchone() is not None

        await asyncio.to_thread(wait_until, is_over_the_bound, what="the migration to wait")
        assert not migrating.done(), "it was ended while it waited"
        connection.execute("select pg_advisory_unlock(%s)", [MIGRATION_LOCK])
        await migrating
