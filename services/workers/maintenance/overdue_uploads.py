"""End uploads in parts whose time is over, and drop the bytes that only they kept."""

import asyncio
from collections.abc import Iterable
from typing import Final

from services.workers.process.context import WorkerContext
from shared.observability.logs import get_logger
from shared.stores.db.repositories import files, uploads

UPLOADS_A_ROUND: Final = 100

log = get_logger(__name__)


async def end_overdue_uploads(context: WorkerContext) -> None:
    """Mark overdue uploads as expired. Their objects go only if nothing else is made of them."""
    objects: set[str] = set()
    async with context.database.transaction() as session:
        overdue = await uploads.lock_overdue_uploads(session, UPLOADS_A_ROUND)
        for upload_id in overdue:
            objects.update(await uploads.end_upload(session, upload_id, uploads.EXPIRED))
    if overdue:
        log.info("uploads_expired", count=len(overdue))
    await drop_unnamed(context, objects)


async def drop_unnamed(context: WorkerContext, sha256s: Iterable[str]) -> None:
    """Remove objects that nothing names any more."""
    for sha256 in sorted(sha256s):
        async with context.database.transaction() as session:
            await files.lock_content(session, [sha256])
            if not await files.is_named(session, sha256):
                await asyncio.to_thread(context.objects.remove, sha256)
