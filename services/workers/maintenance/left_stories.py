"""Stories that were still queued when their run was cancelled: readers see them cancelled at once, here it is written
down, slice by slice, so that no transaction is long and no round of the reaper either."""

from typing import Final

from services.workers.process.context import WorkerContext
from shared.stores.db.repositories import reaping

MOST_SLICES: Final = 20
"""Of 1,000 rows each, a few hundredths of a second a slice: two million rows are through within minutes."""


async def cancel_left_stories(context: WorkerContext) -> None:
    """Write down as many as one round may; the rest waits for the next."""
    for _ in range(MOST_SLICES):
        async with context.database.transaction() as session:
            if await reaping.cancel_stories_of_cancelled_runs(session) < reaping.BATCH_ROWS:
                return
