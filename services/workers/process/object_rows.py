"""Rows that name objects: the bytes first, then one transaction that sees them in place. A deletion of the last file
of equal bytes may come in between; then they are put again."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import IO

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import keep_trying
from shared.stores.db.repositories import files
from shared.stores.objects.object_store import ObjectStore, StoredObject

Stored = Mapping[str, StoredObject]


class DroppedObjectError(Exception):
    """Bytes that we had put were deleted again."""


async def write_with_objects(
    context: WorkerContext,
    contents: Mapping[str, Path | IO[bytes]],
    write: Callable[[AsyncSession, Stored], Awaitable[None]],
    *,
    what: str = "record rows with their objects",
) -> None:
    """Put the contents, files at paths or open ones, and call `write` in a transaction with what was stored, until it
    is committed. What `write` raises rolls back and goes on to the caller."""

    async def write_once() -> None:
        while True:
            stored = {
                name: await asyncio.to_thread(put_content, context.objects, content)
                for name, content in contents.items()
            }
            try:
                async with context.database.long_transaction() as session:
                    await require_objects(context, session, stored)
                    await write(session, stored)
            except DroppedObjectError:
                continue
            return

    await keep_trying(write_once, what=what)


def put_content(objects: ObjectStore, content: Path | IO[bytes]) -> StoredObject:
    """Copy a local file, or all of an open one."""
    if isinstance(content, Path):
        return objects.put_file(content)
    content.seek(0)
    return objects.put(content)


async def require_objects(context: WorkerContext, session: AsyncSession, stored: Stored) -> None:
    """Keep the objects in place until the commit. Raises: DroppedObjectError when one was swept away since."""
    hashes = {item.sha256 for item in stored.values()}
    await files.lock_content(session, hashes)
    for sha256 in hashes:
        if not await asyncio.to_thread(context.objects.exists, sha256):
            raise DroppedObjectError(sha256)
