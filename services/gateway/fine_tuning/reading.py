"""Read what a job left behind: checkpoints, metrics, changes of status."""

from collections.abc import Sequence

from services.gateway.fine_tuning.service import get_row
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.stores.db.models import FineTuningChange, FineTuningCheckpoint, FineTuningMetric
from shared.stores.db.repositories import fine_tuning_changes, fine_tuning_checkpoints, fine_tuning_metrics


async def list_checkpoints(
    gateway: Gateway, caller: Principal, job_id: str, after: str | None, limit: int
) -> tuple[Sequence[FineTuningCheckpoint], bool]:
    """Return a page of checkpoints, newest first. Raises: NotFoundError."""
    async with gateway.database.transaction() as session:
        await get_row(session, caller, job_id)
        return await fine_tuning_checkpoints.list_checkpoints(session, job_id, after, limit)


async def list_metrics(
    gateway: Gateway, caller: Principal, job_id: str, after_step: int | None, limit: int
) -> tuple[Sequence[FineTuningMetric], bool]:
    """Return what steps measured, in their order. Raises: NotFoundError."""
    async with gateway.database.transaction() as session:
        await get_row(session, caller, job_id)
        return await fine_tuning_metrics.list_metrics(session, job_id, after_step, limit)


async def list_changes(gateway: Gateway, caller: Principal, job_id: str) -> Sequence[FineTuningChange]:
    """Return the changes of status, oldest first. Raises: NotFoundError."""
    async with gateway.database.transaction() as session:
        await get_row(session, caller, job_id)
        return await fine_tuning_changes.list_changes(session, job_id)
