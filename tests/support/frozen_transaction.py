"""A process that locks a project's row and waits inside its transaction, to be frozen there by a test.

`python -m tests.support.frozen_transaction PROJECT_ID`: says `locked`, then, once it reads a line, uses its transaction
again and says `committed` or the SQLSTATE that it got."""

import asyncio
import sys

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.settings import Settings
from shared.stores.away import StoreAwayError
from shared.stores.db.session import Database

TOUCH = text("update project set name = name where id = :id")


async def hold_lock(project_id: str) -> str:
    """Lock the row, wait for a line, try to go on; return what came of it."""
    database = Database(Settings())
    try:
        async with database.transaction() as session:
            await session.execute(TOUCH, {"id": project_id})
            print("locked", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            await session.execute(TOUCH, {"id": project_id})
    except StoreAwayError as error:
        cause = error.__cause__
        return str(getattr(cause.orig, "sqlstate", None) or cause.orig) if isinstance(cause, DBAPIError) else str(cause)
    finally:
        await database.close()
    return "committed"


if __name__ == "__main__":
    print(asyncio.run(hold_lock(sys.argv[1])), flush=True)
