"""What "the store is away" means: the same work may succeed later, with nothing changed here. The one place that says
it: for Postgres by SQLSTATE, and for Redis.

A full disk or a missing file of this machine is not away, nor is a value that a store refuses: that is the caller's
failure."""

from typing import Final

import psycopg
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared.errors import ServiceUnavailableError

READ_ONLY: Final = "25006"
"""A standby, or a primary that was made read-only: what a failover looks like to those who stay connected."""
AWAY_CLASSES: Final = frozenset({"08", "53", "58"})
"""Connection, resources of the server (its disk, memory, connections), its own system errors."""
AWAY_STATES: Final = frozenset(
    {
        READ_ONLY,
        "25P03",  # idle_in_transaction_session_timeout: we were frozen inside a transaction
        "40001",  # serialization failure
        "40P01",  # deadlock
        "55P03",  # lock_timeout
        "57014",  # statement_timeout: the server is too slow just now
        "57P01",  # admin shutdown
        "57P02",  # crash shutdown
        "57P03",  # cannot connect now: starting up, or shutting down
        "57P05",  # idle_session_timeout
    }
)
"""https://www.postgresql.org/docs/current/errcodes-appendix.html"""


class StoreAwayError(ServiceUnavailableError):
    """Postgres cannot do it now. The message is for clients; as a string it is the first line of the cause."""

    def __init__(self, cause: object) -> None:
        super().__init__("A store of this server is out of reach just now. Try again.")
        self.reason = (str(cause).splitlines() or [type(cause).__name__])[0]

    def __str__(self) -> str:
        return self.reason


STORE_AWAY: Final = (StoreAwayError, RedisError)
"""What is caught by whoever goes on, or comes back, when a store is away: `Database` raises the first for everything
that `is_away` says of Postgres. Every error of Redis counts (READONLY, MISCONF and LOADING are plain answers): a
command of ours that Redis cannot understand would be seen at once, in every test."""


def is_away(error: BaseException) -> bool:
    """Say whether an error means that a store is away."""
    if isinstance(error, (*STORE_AWAY, PoolTimeoutError)):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or (isinstance(error.orig, psycopg.Error) and is_away(error.orig))
    return isinstance(error, psycopg.Error) and is_away_state(error.sqlstate, error)


def is_away_state(state: str | None, error: psycopg.Error) -> bool:
    """Say whether Postgres answered with a state that passes, or was not reached at all (then there is none)."""
    if state is None:
        return isinstance(error, psycopg.OperationalError)
    return state in AWAY_STATES or state[:2] in AWAY_CLASSES


def is_read_only(error: BaseException) -> bool:
    """Say whether the server at the other end takes no writes: a new connection may lead to one that does."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == READ_ONLY
