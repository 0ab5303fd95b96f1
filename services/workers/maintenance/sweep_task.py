"""The body of `SweepObjects`: drop objects that no row has named for a day, and seal what another key, or none, sealed.
Objects are left by requests that died between the bytes and the row, and by caches. Whoever is about to name one looks
whether it is there, and puts it again."""

import asyncio
from itertools import islice
from typing import Final

from services.workers.maintenance.overdue_uploads import drop_unnamed
from services.workers.process.context import WorkerContext
from shared.observability.logs import get_logger
from shared.stores.db.repositories import files
from shared.stores.db.repositories.webhook_secrets import reseal_secrets
from shared.stores.sealing import SealError

ORPHAN_SECONDS: Final = 24 * 3600.0
OBJECTS_AT_ONCE: Final = 500

log = get_logger(__name__)


async def sweep_objects(context: WorkerContext, older_than_seconds: float = ORPHAN_SECONDS) -> None:
    """Walk over the store once."""
    await seal_what_is_open(context)
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


async def seal_what_is_open(context: WorkerContext) -> None:
    """Seal stored secrets with the present key, if there is one: they may be from before it was given, or changed."""
    try:
        count = await reseal_secrets(context.database, context.seal) if context.seal.prefix else 0
    except SealError as error:
        log.warning("secrets_not_sealed", error=error.message)
        return
    if count:
        log.info("secrets_sealed", endpoints=count)
