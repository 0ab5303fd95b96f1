"""Waiting out a store that is away: for work whose result exists in this process only."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import backoff
from sqlalchemy.ext.asyncio import AsyncSession

from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.session import Database

T = TypeVar("T")

LONGEST_WAIT_SECONDS: Final = 2.0
"""Between two tries: a result is stored so soon after Postgres is back."""

log = get_logger(__name__)


async def keep_trying(work: Callable[[], Awaitable[T]], *, what: str) -> T:
    """Do `work` again until the store takes it; cancel to give up. `work` must be safe to repeat."""

    def tell(details: Any) -> None:
        log.warning("store_away", what=what, tries=details["tries"], error=str(details["exception"]))

    async def try_once() -> T:
        return await work()

    patient = backoff.on_exception(
        backoff.expo, STORE_AWAY, factor=0.1, max_value=LONGEST_WAIT_SECONDS, on_backoff=tell, logger=None
    )(try_once)
    return await patient()


async def write_patiently(database: Database, write: Callable[[AsyncSession], Awaitable[T]], *, what: str) -> T:
    """Do `write` in a transaction of its own, again until it is committed; return what it returned. It must be safe to
    repeat: the answer to a commit may be lost. What else it raises rolls back and goes on."""

    async def write_once() -> T:
        async with database.transaction() as session:
            return await write(session)

    return await keep_trying(write_once, what=what)
