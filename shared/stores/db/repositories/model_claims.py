"""Who works on an evaluation or a comparison: claimed by raising `attempt`, finished once (`leased_rows`)."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import ModelComparison, ModelEvaluation
from shared.stores.db.repositories.leased_rows import end_row, lease_end

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


async def finish_work(session: AsyncSession, claimed: ClaimedWork, values: dict[str, Any]) -> bool:
    """Write the outcome; False when the row is not ours any more: then roll everything back."""
    return await end_row(session, claimed.table, claimed, values)


async def fail_work(session: AsyncSession, claimed: ClaimedWork, code: str, message: str) -> bool:
    """Write why it failed; False when the row is not ours any more."""
    return await finish_work(session, claimed, {"status": "failed", "error": {"code": code, "message": message}})
