"""Waiting out a store that is away: for work whose result exists in this process only."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import backoff
from sqlalchemy.ext.asyncio import AsyncSession

from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY, StatementTimeoutError
from shared.stores.db.session import Database

T = TypeVar("T")

LONGEST_WAIT_SECONDS: Final = 2.0
"""Between two tries: a result is stored so soon after Postgres is back."""

MOST_TIMEOUTS: Final = 3
"""In a row, for one piece of work: then it is the statement that takes too long, and not the server that is slow."""

log = get_logger(__name__)


class StuckStatementError(Exception):
    """A statement for one piece of work was ended by its time limit, time after time: a failure like any of ours."""


class TimeoutCount:
    """Statement time-outs in a row, of one piece of work."""

    def __init__(self) -> None:
        self._count = 0

    def note(self, error: BaseException | None = None) -> None:
        """Count a failure of the work, or its success. Raises: StuckStatementError when there are too many."""
        self._count = self._count + 1 if isinstance(error, StatementTimeoutError) else 0
        if self._count >= MOST_TIMEOUTS:
            self._count = 0
            raise StuckStatementError(str(error)) from error


async def keep_trying(work: Callable[[], Awaitable[T]], *, what: str) -> T:
    """Do `work` again until the store takes it; cancel to give up. `work` must be safe to repeat. Raises:
    StuckStatementError when its statement runs into its time limit too often, and what else `work` raises."""
    timeouts = TimeoutCount()

    def tell(details: Any) -> None:
        log.warning("store_away", what=what, tries=details["tries"], error=str(details["exception"]))

    async def try_once() -> T:
        try:
            return await work()
        except STORE_AWAY as error:
            timeouts.note(error)
            raise

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
