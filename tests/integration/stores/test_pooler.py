"""Behind PgBouncer in transaction mode: many clients on few connections, each transaction under our settings."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text

from shared.settings import Settings
from shared.stores.db.repositories.projects import ensure_project
from shared.stores.db.session import Database
from tests.support.pooler import PrivatePooler, find_pgbouncer
from tests.support.stack import PrivatePostgres

CLIENTS = 8
ROUNDS = 12
"""More often than the driver needs to prepare a statement."""

pytestmark = pytest.mark.skipif(find_pgbouncer() is None, reason="pgbouncer is not installed (apt install pgbouncer)")


@pytest.fixture
def pooled_url(postgres_server: PrivatePostgres, database_url: str, tmp_path: Path) -> Iterator[str]:
    """The test's database, through a pooler."""
    with PrivatePooler(tmp_path / "pooler", postgres_server.url) as pooler:
        yield pooler.database_url(str(conninfo_to_dict(database_url)["dbname"]))


async def test_many_clients_share_few_connections(pooled_url: str) -> None:
    """Without the setting the driver prepares statements that the next connection does not know."""
    values = {"database_url": pooled_url, "database_pooler": "transaction"}
    databases = [Database(Settings.model_validate(values)) for _ in range(CLIENTS)]

    async def work(database: Database, number: int) -> list[tuple[str, str]]:
        seen = []
        for _ in range(ROUNDS):
            async with database.transaction() as session:
                await ensure_project(session, f"project {number}")
                found = await session.execute(
                    text("select current_setting('statement_timeout'), current_setting('jit')")
                )
                seen.append(tuple(found.one()))
        return seen

    try:
        answers = await asyncio.gather(*(work(one, number) for number, one in enumerate(databases)))
    finally:
        for database in databases:
            await database.close()
    assert {answer for seen in answers for answer in seen} == {("1min", "off")}
    with psycopg.connect(pooled_url, autocommit=True) as stranger:
        assert stranger.execute("show statement_timeout").fetchone() == ("0",)
