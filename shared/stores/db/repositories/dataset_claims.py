"""Who prepares a dataset: claimed by raising `attempt`, held by a lease, finished once. Every later write is guarded
by the attempt."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.storable import encode_storable_json

LEASE_SECONDS: Final = 10
RENEW_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class ClaimedDataset:
    """A preparation that is ours as `attempt`."""

    id: str
    project_id: str
    request: dict[str, Any]
    attempt: int


CLAIM: Final = text("""
    update dataset
    set attempt = attempt + 1, status = 'running', worker_id = :worker_id,
        lease_until = now() + make_interval(secs => :lease_seconds), started_at = coalesce(started_at, now())
    where id = :id and (status = 'queued' or (status = 'running' and lease_until < now()))
    returning id, project_id, request, attempt
""")

RENEW: Final = text("""
    update dataset
    set lease_until = now() + make_interval(secs => :lease_seconds), status = 'running', worker_id = :worker_id
    where id = :id and attempt = :attempt and status in ('queued', 'running')
    returning id
""")

HAND_BACK: Final = text("""
    update dataset set lease_until = now() where id = :id and attempt = :attempt and status = 'running'
""")

FINISH: Final = text("""
    update dataset
    set status = 'succeeded', version_id = :version_id, report = cast(:report as jsonb),
        report_file_id = :report_file_id, lease_until = null, finished_at = now()
    where id = :id and attempt = :attempt and status in ('queued', 'running')
    returning id
""")

FAIL: Final = text("""
    update dataset
    set status = 'failed', error = cast(:error as jsonb), lease_until = null, finished_at = now()
    where id = :id and attempt = :attempt and status in ('queued', 'running')
    returning id
""")

REQUEUE: Final = text("""
    with undelivered as (
        select id from dataset
        where status in ('queued', 'running')
          and coalesce(lease_until, created_at + make_interval(secs => :delivery_seconds)) < now()
        order by id limit :row_limit for update skip locked)
    update dataset
    set status = 'queued', worker_id = null, lease_until = now() + make_interval(secs => :redelivery_seconds)
    from undelivered where dataset.id = undelivered.id
    returning dataset.id
""")


async def claim_dataset(session: AsyncSession, dataset_id: str, worker_id: str) -> ClaimedDataset | None:
    """Take a preparation that nobody holds; None when it is held or over."""
    values = {"id": dataset_id, "worker_id": worker_id, "lease_seconds": LEASE_SECONDS}
    row = (await session.execute(CLAIM, values)).one_or_none()
    return ClaimedDataset(*row) if row else None


async def renew_dataset(session: AsyncSession, claimed: ClaimedDataset, worker_id: str) -> bool:
    """Renew the lease; False when the row is not ours any more."""
    values = {"id": claimed.id, "attempt": claimed.attempt, "worker_id": worker_id, "lease_seconds": LEASE_SECONDS}
    return (await session.execute(RENEW, values)).scalar() is not None


async def hand_back_dataset(session: AsyncSession, claimed: ClaimedDataset) -> None:
    """End our lease now, so that the reaper sends the row to another worker at once."""
    await session.execute(HAND_BACK, {"id": claimed.id, "attempt": claimed.attempt})


async def finish_dataset(
    session: AsyncSession, claimed: ClaimedDataset, *, version_id: str, report: dict[str, Any], report_file_id: str
) -> bool:
    """Write the outcome; False when the row is not ours any more: then roll everything back."""
    values = {
        "version_id": version_id,
        "report": encode_storable_json(report).decode(),
        "report_file_id": report_file_id,
    }
    key = {"id": claimed.id, "attempt": claimed.attempt}
    return (await session.execute(FINISH, {**key, **values})).scalar() is not None


async def fail_dataset(session: AsyncSession, claimed: ClaimedDataset, error: dict[str, Any]) -> bool:
    """Write why it failed; False when the row is not ours any more."""
    values = {"id": claimed.id, "attempt": claimed.attempt, "error": encode_storable_json(error).decode()}
    return (await session.execute(FAIL, values)).scalar() is not None


async def requeue_undelivered_datasets(
    session: AsyncSession, *, row_limit: int, delivery_seconds: int, redelivery_seconds: int
) -> list[str]:
    """Queue again the preparations that nobody took or whose lease has lapsed; return their ids, to be sent again."""
    values = {
        "row_limit": row_limit,
        "delivery_seconds": delivery_seconds,
        "redelivery_seconds": redelivery_seconds,
    }
    return list((await session.scalars(REQUEUE, values)).all())
