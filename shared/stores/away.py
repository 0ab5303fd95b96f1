"""What "the store is away" means: the same work may succeed later, with nothing changed here. The one place that says
it: for Postgres by SQLSTATE, and for Redis.

A full disk or a missing file of this machine is not away, nor is a value or a command that a store refuses: that is the
caller's failure. One statement that takes too long is away for a while only: see `StatementTimeoutError`."""

import re
from typing import Final

import psycopg
from redis import exceptions as redis_errors
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared.errors import ServiceUnavailableError

READ_ONLY: Final = "25006"
"""A standby, or a primary that was made read-only: what a failover looks like to those who stay connected."""
STATEMENT_TIMEOUT: Final = "57014"
AWAY_CLASSES: Final = frozenset({"08", "53", "58"})
"""Connection, resources of the server (its disk, memory, connections), its own system errors."""
AWAY_STATES: Final = frozenset(
    {
        READ_ONLY,
        "25P03",  # idle_in_transaction_session_timeout: we were frozen inside a transaction
        "40001",  # serialization failure
        "40P01",  # deadlock
        "55P03",  # lock_timeout
        STATEMENT_TIMEOUT,
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


class StatementTimeoutError(StoreAwayError):
    """One statement took longer than it may: the server is too slow just now, or the statement always is. Whoever tries
    again counts it: after a few in a row for one piece of work it is the work's failure."""


class RedisAwayError(redis_errors.ResponseError):
    """Redis answers that it cannot do it now, in words that its client has no error for."""


STORE_AWAY: Final = (
    StoreAwayError,
    RedisAwayError,
    redis_errors.ConnectionError,  # loading counts among these, and too many clients
    redis_errors.TimeoutError,
    redis_errors.ReadOnlyError,
    redis_errors.OutOfMemoryError,
    redis_errors.ClusterDownError,
    redis_errors.TryAgainError,
)
"""What is caught by whoever goes on, or comes back, when a store is away: `Database` raises the first for everything
that `is_away` says of Postgres, connections of `open_redis` the second. A command that Redis does not understand is no
such thing: repeating it cures nothing."""
AWAY_OR_SILENT: Final = (*STORE_AWAY, TimeoutError)
"""The same, for whoever asks a store under a time limit of its own: silence for so long is away, too."""
REDIS_AWAY: Final = re.compile(r"\b(MISCONF|NOREPLICAS|BUSY|READONLY|OOM|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN)\b")
"""Redis' codes of what passes: a disk or memory that is full, replicas that are gone, a script that takes its time, a
failover. Within a script they stand in the middle of the message."""


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


def tell_postgres_away(error: BaseException) -> StoreAwayError:
    """Return our own error for one of which `is_away` says yes."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    return StatementTimeoutError(error) if state == STATEMENT_TIMEOUT else StoreAwayError(error)


def tell_redis_away(error: Exception) -> Exception:
    """Return an answer of Redis as our own error when it says that it cannot do it now; any other as it is."""
    is_plain = type(error) is redis_errors.ResponseError
    return RedisAwayError(str(error)) if is_plain and REDIS_AWAY.search(str(error)) else error


def is_read_only(error: BaseException) -> bool:
    """Say whether the server at the other end takes no writes: a new connection may lead to one that does."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == READ_ONLY
