"""A job's events: by page, or as they come."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import orjson

from services.gateway.fine_tuning.service import get_row
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.contracts.event_stream import format_event
from shared.errors import NotFoundError
from shared.stores.db.models import FineTuningEvent
from shared.stores.db.repositories import fine_tuning_events, fine_tuning_jobs
from shared.stores.db.repositories.fine_tuning_jobs import JobMark
from shared.stores.db.repositories.pages import Page
from shared.streams.job_events.feed import follow_events, shape_event


async def list_events(
    gateway: Gateway, caller: Principal, job_id: str, page: Page, *, with_repeats: bool
) -> tuple[Sequence[FineTuningEvent], bool]:
    """Return a page of events. Raises: NotFoundError for the job or a cursor that is not there."""
    after = await find_position(gateway, caller, job_id, page.after)
    async with gateway.database.transaction() as session:
        return await fine_tuning_events.list_events(
            session,
            job_id,
            after_position=after,
            limit=page.limit,
            newest_first=page.descending,
            with_repeats=with_repeats,
        )


async def find_position(gateway: Gateway, caller: Principal, job_id: str, event_id: str | None) -> int | None:
    """Return where a cursor stands; None without one. Raises: NotFoundError for the job or the event."""
    async with gateway.database.transaction() as session:
        await get_row(session, caller, job_id)
        if event_id is None:
            return None
        position = await fine_tuning_events.find_event_position(session, job_id, event_id)
    if position is None:
        raise NotFoundError(f"The job has no event '{event_id}'.", param="after")
    return position


async def find_end(gateway: Gateway, job_id: str) -> JobMark:
    """Return how far a job is now."""
    async with gateway.database.transaction() as session:
        return (await fine_tuning_jobs.find_marks(session, [job_id]))[job_id]


async def write_events(
    gateway: Gateway, job_id: str, after_position: int, *, with_repeats: bool
) -> AsyncGenerator[bytes, None]:
    """Yield server-sent events; the id of each is the cursor to go on from."""
    feed = follow_events(gateway.database, gateway.job_watch, job_id, after_position, with_repeats=with_repeats)
    async with aclosing(feed) as batches:
        async for rows in batches:
            for row in rows:
                yield format_event(orjson.dumps(shape_event(row, with_provider=with_repeats)), event_id=row.id)
