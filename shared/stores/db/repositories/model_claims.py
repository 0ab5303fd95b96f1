"""Who works on an evaluation or a comparison: claimed by raising `attempt`, held by a lease, finished once. Every later
write is guarded by the attempt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, null, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.statuses import QUEUED_OR_RUNNING
from shared.stores.db.models import ModelComparison, ModelEvaluation

WorkTable = type[ModelEvaluation] | type[ModelComparison]


@dataclass(frozen=True, slots=True)
class ClaimedWork:
    """A row that is ours as `attempt`."""

    table: WorkTable
    id: str
    project_id: str
    api_key_id: str
    attempt: int


async def claim_work(
    session: AsyncSession, table: WorkTable, row_id: str, worker_id: str, lease_seconds: float
) -> ClaimedWork | None:
    """Take a queued row; None when it is held or over."""
    statement = (
        update(table)
        .where(table.id == row_id, table.status == "queued")
        .values(attempt=table.attempt + 1, status="running", worker_id=worker_id, lease_until=lease_end(lease_seconds))
        .returning(table.id, table.project_id, table.api_key_id, table.attempt)
    )
    row = (await session.execute(statement)).one_or_none()
    return ClaimedWork(table, *row) if row else None


async def renew_work(
    session: AsyncSession, table: WorkTable, held: Sequence[ClaimedWork], worker_id: str, lease_seconds: float
) -> set[tuple[str, int]]:
    """Renew leases of one table; return id and attempt of the rows that are still ours."""
    values = {"lease_until": lease_end(lease_seconds), "status": "running", "worker_id": worker_id}
    statement = update(table).where(is_held(table, held)).values(values).returning(table.id, table.attempt)
    return {(row_id, attempt) for row_id, attempt in await session.execute(statement)}


async def hand_back_work(session: AsyncSession, table: WorkTable, held: Sequence[ClaimedWork]) -> None:
    """End our leases now, so that another worker can claim the rows at once."""
    values = {"status": "queued", "worker_id": null(), "lease_until": func.now()}
    await session.execute(update(table).where(is_held(table, held)).values(values))


async def finish_work(session: AsyncSession, claimed: ClaimedWork, values: dict[str, Any]) -> bool:
    """Write the outcome; False when the row is not ours any more: then roll everything back."""
    return await write_claimed(session, claimed, {**values, "lease_until": null(), "finished_at": func.now()})


async def fail_work(session: AsyncSession, claimed: ClaimedWork, code: str, message: str) -> bool:
    """Write why it failed; False when the row is not ours any more."""
    return await finish_work(session, claimed, {"status": "failed", "error": {"code": code, "message": message}})


async def write_claimed(session: AsyncSession, claimed: ClaimedWork, values: dict[str, Any]) -> bool:
    """Change a row that is ours; False when it is not any more."""
    table = claimed.table
    statement = (
        update(table)
        .where(table.id == claimed.id, table.attempt == claimed.attempt, table.status.in_(QUEUED_OR_RUNNING))
        .values(values)
        .returning(table.id)
    )
    return await session.scalar(statement) is not None


async def requeue_undelivered(
    session: AsyncSession, table: WorkTable, *, row_limit: int, delivery_seconds: int, redelivery_seconds: int
) -> list[str]:
    """Queue again the rows that nobody took or whose lease has lapsed; return their ids, to be sent again."""
    due = func.coalesce(table.lease_until, table.created_at + timedelta(seconds=delivery_seconds)) < func.now()
    undelivered = (
        select(table.id)
        .where(table.status.in_(QUEUED_OR_RUNNING), due)
        .order_by(table.id)
        .limit(row_limit)
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(table)
        .where(table.id.in_(undelivered))
        .values(status="queued", worker_id=null(), lease_until=func.now() + timedelta(seconds=redelivery_seconds))
        .returning(table.id)
    )
    return list((await session.scalars(statement)).all())


def is_held(table: WorkTable, held: Sequence[ClaimedWork]) -> ColumnElement[bool]:
    """Return the condition for rows of a table that are ours and not over."""
    keys = [(claimed.id, claimed.attempt) for claimed in held]
    return and_(tuple_(table.id, table.attempt).in_(keys), table.status.in_(QUEUED_OR_RUNNING))


def lease_end(lease_seconds: float) -> ColumnElement[Any]:
    """Return until when a lease lasts that begins now."""
    return func.now() + timedelta(seconds=lease_seconds)
