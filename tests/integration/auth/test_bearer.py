"""Keys against a real database: the cache is small, and a revoked key does not outlive it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import event

from services.gateway.api_keys.service import create_api_key, revoke_key
from shared.auth.bearer import CACHE_SECONDS, Authenticator
from shared.auth.principal import ALL_SCOPES, READ, WRITE
from shared.auth.wrong_keys import FREE_TRIES
from shared.errors import AuthenticationError, PermissionDeniedError, RateLimitedError
from shared.settings import Settings
from shared.stores.db.session import Database


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database of the test's own."""
    opened = Database(Settings.model_validate({"database_url": database_url}))
    yield opened
    await opened.close()


def count_queries(database: Database) -> list[str]:
    """Return a list that grows with every query on keys."""
    seen: list[str] = []

    @event.listens_for(database.engine.sync_engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "api_key" in statement:
            seen.append(statement)

    return seen


async def test_a_good_key_opens_its_project_with_its_scopes(database: Database) -> None:
    row, secret = await create_api_key(database, project="p", name="k", scopes=[READ])
    principal = await Authenticator(database).authenticate(f"Bearer {secret}")
    assert (principal.project_id, principal.api_key_id) == (row.project_id, row.id)
    principal.require(READ)
    with pytest.raises(PermissionDeniedError):
        principal.require(WRITE)


async def test_a_key_is_looked_up_once_in_a_while_and_once_for_many(database: Database) -> None:
    _, secret = await create_api_key(database, project="p", name="k", scopes=ALL_SCOPES)
    clock, queries = Clock(), count_queries(database)
    authenticator = Authenticator(database, monotonic=clock)
    await asyncio.gather(*(authenticator.authenticate(f"Bearer {secret}") for _ in range(50)))
    assert len(queries) == 1
    clock.now += CACHE_SECONDS + 0.1
    await authenticator.authenticate(f"Bearer {secret}")
    assert len(queries) == 2


async def test_a_revoked_key_fails_within_five_seconds(database: Database) -> None:
    row, secret = await create_api_key(database, project="p", name="k", scopes=ALL_SCOPES)
    clock = Clock()
    authenticator = Authenticator(database, monotonic=clock)
    await authenticator.authenticate(f"Bearer {secret}")
    assert await revoke_key(database, row.id)
    clock.now += 5.0
    with pytest.raises(AuthenticationError):
        await authenticator.authenticate(f"Bearer {secret}")


async def test_the_database_never_sees_a_secret(database: Database) -> None:
    row, secret = await create_api_key(database, project="p", name="k", scopes=ALL_SCOPES)
    assert secret.startswith("sm_")
    assert len(secret) >= 43
    assert row.prefix == secret[:10]
    stored = [str(getattr(row, column.key)) for column in row.__table__.columns]
    assert not any(secret in value for value in stored)


async def test_a_failed_look_is_not_remembered(database: Database) -> None:
    _, secret = await create_api_key(database, project="p", name="k", scopes=ALL_SCOPES)
    authenticator = Authenticator(database)
    for header in (None, "", "Basic x", "Bearer", "Bearer sk-1", "Bearer sm_unknown"):
        with pytest.raises(AuthenticationError):
            await authenticator.authenticate(header)
    assert (await authenticator.authenticate(f"bearer  {secret}")).scopes == frozenset(ALL_SCOPES)


async def test_a_wrong_key_is_looked_up_once_and_tried_for_a_while_then_refused(database: Database) -> None:
    _, good = await create_api_key(database, project="p", name="k", scopes=[READ])
    clock, queries = Clock(), count_queries(database)
    authenticator = Authenticator(database, monotonic=clock)
    for _ in range(FREE_TRIES):
        with pytest.raises(AuthenticationError):
            await authenticator.authenticate("Bearer sm_wrong", "203.0.113.7")
    assert len(queries) == 1
    with pytest.raises(RateLimitedError, match="wrong API keys"):
        await authenticator.authenticate("Bearer sm_other", "203.0.113.7")
    assert len(queries) == 1
    for address in ("203.0.113.8", None):
        await authenticator.authenticate(f"Bearer {good}", address)
    # Known to be good, it is taken from the same address, too: who shares an address with a guesser goes on.
    await authenticator.authenticate(f"Bearer {good}", "203.0.113.7")
    clock.now += CACHE_SECONDS
    with pytest.raises(AuthenticationError):
        await authenticator.authenticate("Bearer sm_wrong", "203.0.113.7")
