"""Sessions of browsers, by the hash of their token."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import ApiKey, ConsoleSession

SEEN_STEP = timedelta(minutes=1)
"""A session's use is written down once a minute at most."""


async def add_session(
    session: AsyncSession,
    *,
    session_id: str,
    token_hash: str,
    project_id: str,
    api_key_id: str,
    expires_at: datetime,
) -> None:
    """Insert a session of a key."""
    session.add(
        ConsoleSession(
            id=session_id,
            token_hash=token_hash,
            project_id=project_id,
            api_key_id=api_key_id,
            expires_at=expires_at,
        )
    )
    await session.flush()


async def use_session(
    session: AsyncSession, token_hash: str, *, now: datetime, idle: timedelta
) -> tuple[ConsoleSession, ApiKey] | None:
    """Return the session with its key, and note its use; None when it is over, or its key is revoked."""
    query = (
        select(ConsoleSession, ApiKey)
        .join(ApiKey, ApiKey.id == ConsoleSession.api_key_id)
        .where(
            ConsoleSession.token_hash == token_hash,
            ConsoleSession.expires_at > now,
            ConsoleSession.seen_at > now - idle,
            ApiKey.revoked_at.is_(None),
        )
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        return None
    row, key = found
    if row.seen_at < now - SEEN_STEP:
        await session.execute(update(ConsoleSession).where(ConsoleSession.id == row.id).values(seen_at=now))
    return row, key


async def find_open_ids(session: AsyncSession, session_ids: Sequence[str], now: datetime) -> frozenset[str]:
    """Return which of these sessions nobody has ended, and are not too old."""
    query = select(ConsoleSession.id).where(ConsoleSession.id.in_(session_ids), ConsoleSession.expires_at > now)
    return frozenset(await session.scalars(query))


async def delete_session(session: AsyncSession, token_hash: str) -> None:
    """Delete a session, if it is there."""
    await session.execute(delete(ConsoleSession).where(ConsoleSession.token_hash == token_hash))


async def delete_old_sessions(session: AsyncSession, *, seen_before: datetime) -> None:
    """Delete what nobody has used since."""
    await session.execute(delete(ConsoleSession).where(ConsoleSession.seen_at < seen_before))
