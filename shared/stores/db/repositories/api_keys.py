"""API keys, by hash."""

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.stores.db.models import ApiKey


async def add_api_key(
    session: AsyncSession, *, project_id: str, name: str, prefix: str, key_hash: str, scopes: Sequence[str]
) -> ApiKey:
    """Insert a key of a project."""
    key = ApiKey(
        id=ids.new_id(ids.API_KEY),
        project_id=project_id,
        name=name,
        prefix=prefix,
        key_hash=key_hash,
        scopes=list(scopes),
    )
    session.add(key)
    await session.flush()
    return key


async def find_active_key(session: AsyncSession, key_hash: str) -> ApiKey | None:
    """Return the unrevoked key with this hash."""
    query = select(ApiKey).where(ApiKey.key_hash == key_hash, ApiKey.revoked_at.is_(None))
    return (await session.scalars(query)).one_or_none()


async def find_active_ids(session: AsyncSession, key_ids: Sequence[str]) -> frozenset[str]:
    """Return which of these keys are not revoked."""
    query = select(ApiKey.id).where(ApiKey.id.in_(key_ids), ApiKey.revoked_at.is_(None))
    return frozenset(await session.scalars(query))


async def list_api_keys(session: AsyncSession) -> Sequence[ApiKey]:
    """Return every key, oldest first."""
    return (await session.scalars(select(ApiKey).order_by(ApiKey.id))).all()


async def add_scopes(session: AsyncSession, key_hash: str, name: str, scopes: Sequence[str]) -> None:
    """Give the unrevoked key with this hash the scopes that it lacks, if it is called `name`."""
    key = await find_active_key(session, key_hash)
    if key is not None and key.name == name:
        key.scopes = [*key.scopes, *(scope for scope in scopes if scope not in key.scopes)]


async def revoke_api_key(session: AsyncSession, key_id: str) -> bool:
    """Revoke a key; False when there is no such unrevoked key."""
    statement = (
        update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None)).values(revoked_at=func.now())
    ).returning(ApiKey.id)
    return (await session.scalar(statement)) is not None
