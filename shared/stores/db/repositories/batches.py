"""Batches: added, listed and cancelled by the gateway. Who works on one: `batch_claims`."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.contracts.batches import COMPLETION_WINDOW, WINDOW_HOURS
from shared.contracts.statuses import BATCH
from shared.stores.db.models import Batch, Generation
from shared.stores.db.repositories.pages import Page, fetch_page

ShownBatch = tuple[Batch, Generation | None]
"""A batch and its run, which counts."""

CANCEL: Final = text("""
    with cancelled as (
        update batch
        set status = 'cancelling', cancelling_at = now(), attempt = attempt + 1, worker_id = null, lease_until = null
        where id = :batch_id and status in ('validating', 'in_progress')
        returning generation_id),
    paused as (
        update generation
        set status = 'paused', status_reason = 'the batch is being cancelled', limited_by = null, resumes_at = null
        from cancelled
        where generation.id = cancelled.generation_id and generation.status in ('queued', 'running', 'paused'))
    select count(*) from cancelled
""")
"""The run makes no more calls; what is under way is finished, and paid for once. Its worker's claim is over: a batch
that is still being checked is checked no further."""


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch as asked for."""

    project_id: str
    api_key_id: str
    endpoint: str
    input_file_id: str
    batch_metadata: dict[str, str] | None


async def add_batch(session: AsyncSession, batch: NewBatch) -> str:
    """Insert a batch whose file is still to be checked; return its id."""
    batch_id = ids.new_id(ids.BATCH)
    values = {
        **asdict(batch),
        "id": batch_id,
        "status": "validating",
        "completion_window": COMPLETION_WINDOW,
        "expires_at": func.now() + timedelta(hours=WINDOW_HOURS),
    }
    await session.execute(insert(Batch).values(values))
    return batch_id


async def find_batch(session: AsyncSession, project_id: str, batch_id: str) -> ShownBatch | None:
    """Return a batch of the project."""
    query = select(Batch, Generation).outerjoin(Generation, Generation.id == Batch.generation_id)
    found = await session.execute(query.where(Batch.id == batch_id, Batch.project_id == project_id))
    row = found.one_or_none()
    return (row[0], row[1]) if row else None


async def list_batches(session: AsyncSession, project_id: str, page: Page) -> tuple[list[ShownBatch], bool]:
    """Return a page of a project's batches and whether there is more."""
    batches, has_more = await fetch_page(session, select(Batch).where(Batch.project_id == project_id), Batch.id, page)
    query = select(Generation).where(Generation.id.in_([batch.generation_id for batch in batches]))
    runs = {run.id: run for run in await session.scalars(query)}
    return [(batch, runs.get(batch.generation_id or "")) for batch in batches], has_more


async def cancel_batch(session: AsyncSession, batch_id: str) -> bool:
    """Begin to cancel a batch; False when its status does not allow it."""
    return bool(await session.scalar(CANCEL, {"batch_id": batch_id}))


async def find_open_batch_of_file(session: AsyncSession, file_id: str) -> str | None:
    """Return a batch that is not over and needs this file."""
    query = select(Batch.id).where(Batch.input_file_id == file_id, Batch.status.in_(BATCH.open)).limit(1)
    return (await session.scalars(query)).one_or_none()
