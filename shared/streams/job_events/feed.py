"""A job's events in their order, those that are there and those that come."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from shared.clock import unix_seconds
from shared.stores.db.models import FineTuningEvent
from shared.stores.db.repositories.fine_tuning_events import list_events
from shared.stores.db.session import Database
from shared.streams.job_events.watch import JobWatch

ROWS_AT_ONCE = 500


async def follow_events(
    database: Database, watch: JobWatch, job_id: str, after_position: int = 0, *, with_repeats: bool = False
) -> AsyncGenerator[Sequence[FineTuningEvent], None]:
    """Yield the events past a position, in batches, until the job is over. `with_repeats`: also where the provider
    tells what our own events tell."""
    position = after_position
    async with aclosing(watch.marks(job_id)) as marks:
        async for mark in marks:
            while position < mark.last_position:
                async with database.transaction() as session:
                    rows, _ = await list_events(
                        session, job_id, after_position=position, limit=ROWS_AT_ONCE, with_repeats=True
                    )
                position = rows[-1].position
                if told := [row for row in rows if with_repeats or not row.is_repeat]:
                    yield told


def shape_event(event: FineTuningEvent, *, with_provider: bool = False) -> dict[str, Any]:
    """Return OpenAI's event object; `with_provider` adds the provider's id of it."""
    shaped = {
        "id": event.id,
        "object": "fine_tuning.job.event",
        "created_at": unix_seconds(event.created_at),
        "level": event.level,
        "type": event.type,
        "message": event.message,
        "data": event.data,
    }
    return {**shaped, "provider_event_id": event.upstream_id} if with_provider else shaped
