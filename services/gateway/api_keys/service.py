"""Create, list, revoke and check API keys."""

from collections.abc import Sequence

from shared.auth.keys import create_key, hash_key
from shared.stores.db.models import ApiKey
from shared.stores.db.repositories import api_keys, projects
from shared.stores.db.session import Database


async def create_api_key(database: Database, *, project: str, name: str, scopes: Sequence[str]) -> tuple[ApiKey, str]:
    """Make a key in `project` (made too if new). Returns the row and the secret, shown this once."""
    new_key = create_key()
    async with database.transaction() as session:
        owner = await projects.ensure_project(session, project)
        row = await api_keys.add_api_key(
            session,
            project_id=owner.id,
            name=name,
            prefix=new_key.shown_prefix,
            key_hash=new_key.key_hash,
            scopes=scopes,
        )
    return row, new_key.secret


async def list_keys(database: Database) -> Sequence[ApiKey]:
    """Return every key, revoked ones too."""
    async with database.transaction() as session:
        return await api_keys.list_api_keys(session)


async def revoke_key(database: Database, key_id: str) -> bool:
    """Revoke a key; False when there is no such unrevoked key."""
    async with database.transaction() as session:
        return await api_keys.revoke_api_key(session, key_id)


async def widen_key(database: Database, secret: str, name: str, scopes: Sequence[str]) -> None:
    """Give a key the scopes that it lacks, if it is called `name`."""
    async with database.transaction() as session:
        await api_keys.add_scopes(session, hash_key(secret), name, scopes)


async def is_valid_key(database: Database, secret: str) -> bool:
    """Say whether `secret` opens the gateway now."""
    async with database.transaction() as session:
        return await api_keys.find_active_key(session, hash_key(secret)) is not None
