"""Secrets that change while we run: passwords of the stores, a provider's key, the key that rows are sealed with."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql
from sqlalchemy import text

from services.gateway.webhooks.reseal import reseal_all
from shared.contracts.queue.messages import ReapLapsed
from shared.outside.providers.configuration import load_providers
from shared.outside.providers.provider_keys import LOOK_SECONDS
from shared.outside.webhooks.signing import new_secret
from shared.settings import Settings, load_settings
from shared.stores.away import STORE_AWAY, StoreAwayError
from shared.stores.db.repositories import webhook_endpoints
from shared.stores.db.repositories.projects import ensure_project
from shared.stores.db.session import Database
from shared.stores.queue.celery_app import make_celery
from shared.stores.queue.line import ServingLine
from shared.stores.queue.sender import TaskSender
from shared.stores.redis.connection import open_redis
from shared.stores.sealing import KEY_VARIABLE, SecretSeal
from tests.support.stack import PrivatePostgres, PrivateRedis

ROLE = "changing"


@pytest.fixture
def guarded_postgres(postgres_server: PrivatePostgres) -> Iterator[PrivatePostgres]:
    """A server with a role whose password the test changes."""
    postgres_server.execute(sql.SQL("create role changing login password 'first'"))
    try:
        yield postgres_server
    finally:
        postgres_server.execute(sql.SQL("drop role changing"))


def spell_url(server: PrivatePostgres, password: str) -> str:
    """Return the role's URL."""
    return f"postgresql://{ROLE}:{password}@127.0.0.1:{server.port}/postgres"


async def hold(database: Database, connections: int) -> int:
    """Return how many connections worked at once."""

    async def work() -> int:
        async with database.transaction() as session:
            await session.execute(text("select pg_sleep(0.2)"))
        return 1

    return sum(await asyncio.gather(*(work() for _ in range(connections))))


@pytest.mark.parametrize("file_first", [True, False])
async def test_a_databases_password_is_changed_without_an_interruption(
    guarded_postgres: PrivatePostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_first: bool
) -> None:
    file = tmp_path / "url"
    file.write_text(spell_url(guarded_postgres, "first"))
    monkeypatch.delenv("STORYMILL_DATABASE_URL", raising=False)
    monkeypatch.setenv("STORYMILL_DATABASE_URL_FILE", str(file))
    database = Database(Settings())
    change = sql.SQL("alter role changing password 'second'")
    try:
        assert await hold(database, 1) == 1
        if file_first:
            file.write_text(spell_url(guarded_postgres, "second"))
            assert await hold(database, 4) == 4  # new connections, with the password that is still good
            guarded_postgres.execute(change)
        else:
            guarded_postgres.execute(change)
            assert await hold(database, 1) == 1  # the connection that is there
            file.write_text(spell_url(guarded_postgres, "second"))
        assert await hold(database, 8) == 8
        file.write_text(spell_url(guarded_postgres, "wrong"))
        assert await hold(database, 10) == 10  # a file with a mistake takes nothing away
    finally:
        await database.close()


async def test_a_wrong_password_is_told(
    guarded_postgres: PrivatePostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORYMILL_DATABASE_URL", raising=False)
    monkeypatch.setenv("STORYMILL_DATABASE_URL_FILE", str(tmp_path / "url"))
    (tmp_path / "url").write_text(spell_url(guarded_postgres, "wrong"))
    database = Database(Settings())
    with pytest.raises(StoreAwayError, match="password authentication failed"):
        await database.ping()
    await database.close()


async def test_the_password_of_redis_is_changed_without_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "url"
    monkeypatch.delenv("STORYMILL_REDIS_URL", raising=False)
    monkeypatch.setenv("STORYMILL_REDIS_URL_FILE", str(file))
    with PrivateRedis(tmp_path / "redis") as server:
        file.write_text(server.url)
        url = Settings().redis_url
        redis, celery = open_redis(url), make_celery(url)
        sender = TaskSender(celery, ServingLine(redis))
        try:
            await redis.ping()
            assert await sender.send(ReapLapsed())
            await redis.acl_setuser("default", enabled=True, passwords=["+second"])
            file.write_text(server.url.replace(":test@", ":second@"))
            assert "second" in file.read_text()
            await redis.acl_setuser("default", enabled=True, passwords=["-test"])
            await redis.ping()  # the connection that is there
            await redis.client_kill_filter(_type="normal", skipme=False)
            assert any([await sender.send(ReapLapsed()) for _ in range(2)])  # the first may meet a dead connection
            assert await redis.llen(ReapLapsed.queue) >= 2
            await redis.acl_setuser("default", enabled=True, passwords=["+third", "-second"])
            await redis.client_kill_filter(_type="normal", skipme=False)
            with pytest.raises(STORE_AWAY):
                await redis.ping()
        finally:
            sender.close()
            await redis.aclose()


async def test_a_providers_key_in_a_file_counts_soon_after_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    key.write_text("sk-first")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY_FILE", str(key))
    providers = load_providers(Settings(upstream_url="https://provider.example/v1"))
    assert [provider.api_key for provider in providers.all] == ["sk-first"]
    key.write_text("sk-second\n")
    await asyncio.sleep(LOOK_SECONDS)
    assert [provider.api_key for provider in providers.all] == ["sk-second"]
    key.unlink()
    await asyncio.sleep(LOOK_SECONDS)
    assert [provider.api_key for provider in providers.all] == ["sk-second"]


async def test_what_rows_keep_is_sealed_anew_when_the_key_changes(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    monkeypatch.setenv("STORYMILL_DATABASE_URL", database_url)
    monkeypatch.setenv(f"{KEY_VARIABLE}_FILE", str(keys))
    load_settings.cache_clear()
    database, secret = Database(Settings()), new_secret()
    keys.write_text("k" * 40)
    async with database.transaction() as session:
        project = await ensure_project(session, "default")
        for stored in (secret, SecretSeal().seal(secret)):  # one from before there was a key
            await webhook_endpoints.add_endpoint(
                session, project_id=project.id, name="n", url="https://e.example", event_types=["e"], secret=stored
            )
    assert await reseal_all() == 1
    keys.write_text(f"{'m' * 40}\n{'k' * 40}")
    assert await reseal_all() == 2
    assert await reseal_all() == 0
    keys.write_text("m" * 40)
    async with database.transaction() as session:
        rows = (await session.scalars(text("select signing_secret from webhook_endpoint"))).all()
    assert all(row.startswith(SecretSeal().prefix) and secret not in row for row in rows)
    assert [SecretSeal().unseal(row) for row in rows] == [secret, secret]
    await database.close()
    load_settings.cache_clear()
