"""POSTs under an `Idempotency-Key`: claimed, bound to what they made, answered."""

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import IdempotencyKey

KEPT = timedelta(hours=24)
ABANDONED_AFTER = timedelta(seconds=60)
"""A claim that has made nothing by then was held by a gateway that died: whoever comes next takes it over."""


async def claim_key(session: AsyncSession, project_id: str, key: str, request_hash: str) -> bool:
    """Take a key; False when somebody else holds it or has used it (`find_key` says which)."""
    taken = (
        insert(IdempotencyKey)
        .values(project_id=project_id, key=key, request_hash=request_hash)
        .on_conflict_do_update(
            index_elements=["project_id", "key"],
            set_={
                "request_hash": request_hash,
                "subject_id": None,
                "status_code": None,
                "headers": None,
                "body": None,
                "created_at": func.now(),
            },
            where=or_(
                IdempotencyKey.created_at < func.now() - KEPT,
                IdempotencyKey.status_code.is_(None)
                & IdempotencyKey.subject_id.is_(None)
                & (IdempotencyKey.created_at < func.now() - ABANDONED_AFTER),
            ),
        )
        .returning(IdempotencyKey.key)
    )
    return (await session.scalar(taken)) is not None


async def put_key(
    session: AsyncSession,
    project_id: str,
    key: str,
    request_hash: str,
    subject_id: str | None,
    *,
    keep_hash: bool = False,
) -> None:
    """Write a key as of now, over whatever it was; with `keep_hash` the hash of the first writer stands."""
    values = {"request_hash": request_hash, "subject_id": subject_id, "created_at": func.now()}
    put = insert(IdempotencyKey).values(project_id=project_id, key=key, **values)
    changed = {name: value for name, value in values.items() if not (keep_hash and name == "request_hash")}
    await session.execute(put.on_conflict_do_update(index_elements=["project_id", "key"], set_=changed))


async def lock_young_key(session: AsyncSession, project_id: str, key: str) -> IdempotencyKey | None:
    """Return a key that is younger than a minute; all who ask for it take turns by transaction."""
    turn = text("select pg_advisory_xact_lock(hashtextextended(:key, 2))")
    await session.execute(turn, {"key": f"{project_id} {key}"})
    query = select(IdempotencyKey).where(
        *_is(project_id, key), IdempotencyKey.created_at > func.now() - ABANDONED_AFTER
    )
    return (await session.scalars(query)).one_or_none()


async def find_key(session: AsyncSession, project_id: str, key: str) -> IdempotencyKey | None:
    """Return what is known of a key."""
    return (await session.scalars(select(IdempotencyKey).where(*_is(project_id, key)))).one_or_none()


async def bind_key(session: AsyncSession, project_id: str, key: str, subject_id: str) -> None:
    """Say what the request has made, in the transaction that makes it."""
    await session.execute(update(IdempotencyKey).where(*_is(project_id, key)).values(subject_id=subject_id))


async def store_answer(
    session: AsyncSession, project_id: str, key: str, *, status_code: int, headers: dict[str, Any], body: str
) -> None:
    """Keep the answer for whoever asks again."""
    values = {"status_code": status_code, "headers": headers, "body": body}
    await session.execute(update(IdempotencyKey).where(*_is(project_id, key)).values(values))


async def release_key(session: AsyncSession, project_id: str, key: str) -> None:
    """Forget an unanswered claim, so that the same request may be tried again."""
    await session.execute(delete(IdempotencyKey).where(*_is(project_id, key), IdempotencyKey.status_code.is_(None)))


def _is(project_id: str, key: str) -> tuple[Any, Any]:
    return IdempotencyKey.project_id == project_id, IdempotencyKey.key == key
