"""The story of a fine-tuning job in events, ours and its provider's: appended without a gap, read from any place on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.clock import utc_now
from shared.stores.db.models import FineTuningEvent
from shared.stores.db.repositories.pages import Page, fetch_page

ROWS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append. Without `upstream_id` it is our own, and `data["code"]` says which."""

    message: str
    level: str = "info"
    type: str = "message"
    data: dict[str, Any] | None = None
    upstream_id: str | None = None
    created_at: datetime = field(default_factory=utc_now)
    is_repeat: bool = False


async def lock_job(session: AsyncSession, job_id: str) -> None:
    """Until the end of the transaction nobody else adds to the job's rows."""
    await session.execute(text("select 1 from fine_tuning_job where id = :id for update"), {"id": job_id})


async def append_events(session: AsyncSession, job_id: str, events: Sequence[NewEvent]) -> int:
    """Append what is new of `events`, numbered without a gap; return how many that were.

    Events of the provider are told apart by their id, so handing in the same ones again changes nothing."""
    if not events:
        return 0
    await lock_job(session, job_id)
    fresh = await _leave_out_known(session, job_id, events)
    last = await session.scalar(select(func.max(FineTuningEvent.position)).where(FineTuningEvent.job_id == job_id))
    rows = [_event_row(job_id, position, event) for position, event in enumerate(fresh, start=(last or 0) + 1)]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        await session.execute(insert(FineTuningEvent), rows[start : start + ROWS_AT_ONCE])
    return len(rows)


async def _leave_out_known(session: AsyncSession, job_id: str, events: Iterable[NewEvent]) -> list[NewEvent]:
    told = [event.upstream_id for event in events if event.upstream_id is not None]
    known: set[str | None] = set()
    if told:
        query = select(FineTuningEvent.upstream_id).where(
            FineTuningEvent.job_id == job_id, FineTuningEvent.upstream_id.in_(told)
        )
        known = set((await session.scalars(query)).all())
    fresh = []
    for event in events:
        if event.upstream_id is None or event.upstream_id not in known:
            fresh.append(event)
            known.add(event.upstream_id)
    return fresh


def _event_row(job_id: str, position: int, event: NewEvent) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "position": position,
        "id": ids.new_id(ids.FINE_TUNING_EVENT),
        "upstream_id": event.upstream_id,
        "level": event.level,
        "type": event.type,
        "message": event.message,
        "data": event.data,
        "created_at": event.created_at,
        "is_repeat": event.is_repeat,
    }


async def find_upstream_event_ids(session: AsyncSession, job_id: str) -> set[str]:
    """Return the provider's ids of the events that we have."""
    query = select(FineTuningEvent.upstream_id).where(
        FineTuningEvent.job_id == job_id, FineTuningEvent.upstream_id.is_not(None)
    )
    return {found for found in (await session.scalars(query)).all() if found is not None}


async def list_events(
    session: AsyncSession,
    job_id: str,
    *,
    after_position: int | None = None,
    after_id: str | None = None,
    limit: int = 20,
    newest_first: bool = False,
    with_repeats: bool = False,
) -> tuple[Sequence[FineTuningEvent], bool]:
    """Return events past a position or an id, in the order asked for, and whether there is more. An id of no event
    of this job gives none. `with_repeats`: also where the provider tells what our own events tell."""
    if after_id is not None:
        query = select(FineTuningEvent.position).where(FineTuningEvent.job_id == job_id, FineTuningEvent.id == after_id)
        after_position = await session.scalar(query)
        if after_position is None:
            return [], False
    page = Page(limit, descending=newest_first)
    events = select(FineTuningEvent).where(FineTuningEvent.job_id == job_id)
    if not with_repeats:
        events = events.where(FineTuningEvent.is_repeat.is_(False))
    return await fetch_page(session, events, FineTuningEvent.position, page, after_position)


async def find_event_position(session: AsyncSession, job_id: str, event_id: str) -> int | None:
    """Return an event's place in its job's story."""
    query = select(FineTuningEvent.position).where(FineTuningEvent.id == event_id, FineTuningEvent.job_id == job_id)
    return (await session.scalars(query)).one_or_none()


async def has_event(session: AsyncSession, job_id: str, code: str) -> bool:
    """Say whether an event of ours with this code is in the job's story."""
    query = select(FineTuningEvent.position).where(
        FineTuningEvent.job_id == job_id, FineTuningEvent.data["code"].astext == code
    )
    return (await session.scalars(query.limit(1))).one_or_none() is not None
