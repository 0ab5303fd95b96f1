"""Rows that a worker holds by an attempt and a lease, and that wait, run and end alike: renewed, handed back, written
and freed by the reaper. How each is claimed, its own module says."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol

from sqlalchemy import ColumnElement, and_, func, null, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.statuses import QUEUED_OR_RUNNING
from shared.stores.db.models import Dataset, ModelComparison, ModelEvaluation

LeasedTable = type[Dataset] | type[ModelEvaluation] | type[ModelComparison]


class Held(Protocol):
    """A row that is ours as `attempt`."""

    @property
    def id(self) -> str:
        """Its key."""

    @property
    def attempt(self) -> int:
        """Whose it is: whoever claims next has a higher one."""


async def renew_rows(
    session: AsyncSession, table: LeasedTable, held: Sequence[Held], worker_id: str, lease_seconds: float
) -> set[tuple[str, int]]:
    """Renew leases of one table; return id and attempt of the rows that are still ours."""
    values = {"lease_until": lease_end(lease_seconds), "status": "running", "worker_id": worker_id}
    statement = update(table).where(is_held(table, held)).values(values).returning(table.id, table.attempt)
    return {(row_id, attempt) for row_id, attempt in await session.execute(statement)}


async def hand_back_rows(session: AsyncSession, table: LeasedTable, held: Sequence[Held]) -> None:
    """End our leases now, so that another worker can claim the rows at once."""
    values = {"status": "queued", "worker_id": null(), "lease_until": func.now()}
    await session.execute(update(table).where(is_held(table, held)).values(values))


async def write_row(session: AsyncSession, table: LeasedTable, held: Held, values: dict[str, Any]) -> bool:
    """Change a row that is ours; False when it is not any more."""
    statement = update(table).where(is_held(table, [held])).values(values).returning(table.id)
    return await session.scalar(statement) is not None


async def end_row(session: AsyncSession, table: LeasedTable, held: Held, values: dict[str, Any]) -> bool:
    """Write the outcome; False when the row is not ours any more: then roll everything back."""
    return await write_row(session, table, held, {**values, "lease_until": null(), "finished_at": func.now()})


async def requeue_undelivered_rows(
    session: AsyncSession, table: LeasedTable, *, row_limit: int, delivery_seconds: int, redelivery_seconds: int
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
        .values(status="queued", worker_id=null(), lease_until=lease_end(redelivery_seconds))
        .returning(table.id)
    )
    return list((await session.scalars(statement)).all())


def is_held(table: LeasedTable, held: Sequence[Held]) -> ColumnElement[bool]:
    """Return the condition for rows of a table that are ours and not over."""
    keys = [(row.id, row.attempt) for row in held]
    return and_(tuple_(table.id, table.attempt).in_(keys), table.status.in_(QUEUED_OR_RUNNING))


def lease_end(lease_seconds: float) -> ColumnElement[Any]:
    """Return until when a lease lasts that begins now."""
    return func.now() + timedelta(seconds=lease_seconds)
