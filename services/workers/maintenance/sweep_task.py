"""The body of `SweepObjects`: drop objects that no row has named for a day. They are left by requests that died between
the bytes and the row, and by caches. Whoever is about to name one looks whether it is there, and puts it again."""

import asyncio
from itertools import islice
from typing import Final

from services.workers.maintenance.overdue_uploads import drop_unnamed
from services.workers.process.context import WorkerContext
from shared.observability.logs import get_logger
from shared.stores.db.repositories import files

ORPHAN_SECONDS: Final = 24 * 3600.0
OBJECTS_AT_ONCE: Final = 500

log = get_logger(__name__)


async def sweep_objects(context: WorkerContext, older_than_seconds: float = ORPHAN_SECONDS) -> None:
    """Walk over the store once."""
    old = context.objects.iterate_old(older_than_seconds)
    count = 0
    while batch := await asyncio.to_thread(lambda: set(islice(old, OBJECTS_AT_ONCE))):
        async with context.database.transaction() as session:
            batch -= await files.find_named(session, batch)
        await drop_unnamed(context, batch)
        count += len(batch)
    unfinished = await asyncio.to_thread(context.objects.drop_old_incoming, older_than_seconds)
    if count or unfinished:
        log.info("orphans_dropped", objects=count, unfinished=unfinished)
