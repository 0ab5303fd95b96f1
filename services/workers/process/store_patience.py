"""Waiting out a Postgres that is away: for work whose result exists in this process only."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import backoff
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared.observability.logs import get_logger

T = TypeVar("T")

AWAY_ERRORS: Final = (OperationalError, InterfaceError, PoolTimeoutError)
"""Connection lost, server restarting, deadlock: the same transaction may succeed later."""
LONGEST_WAIT_SECONDS: Final = 2.0

log = get_logger(__name__)


async def keep_trying(work: Callable[[], Awaitable[T]], *, what: str) -> T:
    """Do `work` again until Postgres takes it; cancel to give up. `work` must be safe to repeat."""

    def tell(details: Any) -> None:
        log.warning("postgres_away", what=what, tries=details["tries"], error=str(details["exception"]))

    async def try_once() -> T:
        return await work()

    patient = backoff.on_exception(
        backoff.expo, AWAY_ERRORS, factor=0.1, max_value=LONGEST_WAIT_SECONDS, on_backoff=tell, logger=None
    )(try_once)
    return await patient()
