"""Who prepares a dataset: claimed by raising `attempt`, fairly among projects, finished once (`leased_rows`)."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.storable import encode_storable_json
from shared.stores.db.models import Dataset
from shared.stores.db.repositories.leased_rows import end_row
from shared.stores.db.repositories.outbox import add_webhook_events


@dataclass(frozen=True, slots=True)
class ClaimedDataset:
    """A preparation that is ours as `attempt`."""

    id: str
    project_id: str
    request: dict[str, Any]
    attempt: int


CLAIM_NEXT: Final = text("""
    with busy as (
        select project_id, count(*) as running from dataset
        where status in ('queued', 'running') and status = 'running' and lease_until >= now()
        group by project_id),
    next as (
        select dataset.id from dataset left join busy using (project_id)
        where dataset.status in ('queued', 'running')
          and dataset.status = 'queued'
          and coalesce(busy.running, 0) < :most_of_project
        order by coalesce(busy.running, 0), dataset.id limit 1 for update of dataset skip locked)
    update dataset
    set attempt = attempt + 1, status = 'running', worker_id = :worker_id,
        lease_until = now() + make_interval(secs => :lease_seconds), started_at = coalesce(started_at, now())
    from next where dataset.id = next.id
    returning dataset.id, dataset.project_id, dataset.request, dataset.attempt
""")

FINISH: Final = text("""
    update dataset
    set status = 'succeeded', version_id = :version_id, report = cast(:report as jsonb) || cast(:cost as jsonb),
        report_file_id = :report_file_id, lease_until = null, finished_at = now()
    where id = :id and attempt = :attempt and status in ('queued', 'running')
    returning id
""")


async def claim_next_dataset(
    session: AsyncSession, worker_id: str, lease_seconds: float, *, most_of_project: int
) -> ClaimedDataset | None:
    """Take a queued preparation: of the project that has the fewest under way, the one ordered first. None
    when nobody waits, or those who do have as many under way as a project may."""
    values = {"worker_id": worker_id, "lease_seconds": lease_seconds, "most_of_project": most_of_project}
    row = (await session.execute(CLAIM_NEXT, values)).one_or_none()
    return ClaimedDataset(*row) if row else None


async def finish_dataset(
    session: AsyncSession,
    claimed: ClaimedDataset,
    *,
    version_id: str,
    report: str,
    cost: dict[str, Any],
    report_file_id: str,
) -> bool:
    """Write the outcome; False when the row is not ours any more: then roll everything back. `report` is storable JSON
    already, of an object: it may be many megabytes, which are not encoded on the loop. `cost` becomes part of it."""
    values = {
        "version_id": version_id,
        "report": report,
        "cost": encode_storable_json({"cost": cost}).decode(),
        "report_file_id": report_file_id,
    }
    key = {"id": claimed.id, "attempt": claimed.attempt}
    is_ours = (await session.execute(FINISH, {**key, **values})).scalar() is not None
    if is_ours:
        await add_webhook_events(session, claimed.project_id, "dataset.succeeded", {"id": claimed.id})
    return is_ours


async def fail_dataset(session: AsyncSession, claimed: ClaimedDataset, error: dict[str, Any]) -> bool:
    """Write why it failed; False when the row is not ours any more."""
    is_ours = await end_row(session, Dataset, claimed, {"status": "failed", "error": error})
    if is_ours:
        await add_webhook_events(session, claimed.project_id, "dataset.failed", {"id": claimed.id})
    return is_ours
