"""Which errors mean that a store is away, and which are the caller's own."""

import psycopg
import pytest
from psycopg import errors
from redis import exceptions as redis_errors
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared.stores.away import StatementTimeoutError, StoreAwayError, is_away, tell_postgres_away, tell_redis_away

AWAY = [
    errors.ReadOnlySqlTransaction("cannot execute UPDATE in a read-only transaction"),
    errors.AdminShutdown("terminating connection"),
    errors.CannotConnectNow("the database system is starting up"),
    errors.SerializationFailure("could not serialize access"),
    errors.DeadlockDetected("deadlock detected"),
    errors.LockNotAvailable("canceling statement due to lock timeout"),
    errors.DiskFull("could not extend file"),
    errors.TooManyConnections("sorry, too many clients already"),
    psycopg.OperationalError("connection refused"),
]
OURS = [
    errors.NumericValueOutOfRange("integer out of range"),
    errors.UniqueViolation("duplicate key"),
    errors.UndefinedColumn("no such column"),
    errors.InvalidTextRepresentation("invalid input syntax"),
    errors.InternalError_("a defect of Postgres"),
]


def wrap(error: psycopg.Error, *, is_lost: bool = False) -> DBAPIError:
    """Return an error as SQLAlchemy raises it."""
    return DBAPIError("update story …", None, error, connection_invalidated=is_lost)


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_what_time_cures_is_away(error: psycopg.Error) -> None:
    assert is_away(error)
    assert is_away(wrap(error))


@pytest.mark.parametrize("error", OURS, ids=lambda error: type(error).__name__)
def test_what_postgres_refuses_for_good_is_not_away(error: psycopg.Error) -> None:
    assert not is_away(error)
    assert not is_away(wrap(error))


def test_a_lost_connection_is_away_whatever_it_was_told_last() -> None:
    assert is_away(wrap(psycopg.InterfaceError("the connection is closed"), is_lost=True))
    assert is_away(PoolTimeoutError())


@pytest.mark.parametrize(
    "error",
    [
        redis_errors.ConnectionError(),
        redis_errors.TimeoutError(),
        redis_errors.ReadOnlyError(),
        redis_errors.BusyLoadingError(),
        redis_errors.OutOfMemoryError(),
        redis_errors.ClusterDownError("CLUSTERDOWN"),
        redis_errors.MasterDownError("MASTERDOWN"),
        redis_errors.ResponseError("MISCONF Redis is configured to save RDB snapshots, but …"),
        redis_errors.ResponseError("NOREPLICAS Not enough good replicas to write."),
        redis_errors.ResponseError("BUSY Redis is busy running a script."),
        redis_errors.ResponseError("ERR Error running script: @user_script:1: -READONLY You can't write …"),
    ],
)
def test_a_redis_that_cannot_do_it_now_is_away(error: Exception) -> None:
    assert is_away(tell_redis_away(error))


@pytest.mark.parametrize(
    "error",
    [
        redis_errors.ResponseError("ERR unknown command 'FOO'"),
        redis_errors.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
        redis_errors.ResponseError("BUSYGROUP Consumer Group name already exists"),
        redis_errors.NoScriptError("No matching script"),
        redis_errors.DataError("Invalid input of type: 'object'"),
        redis_errors.NoPermissionError(),
    ],
)
def test_a_command_that_redis_refuses_for_good_is_not_away(error: Exception) -> None:
    assert not is_away(tell_redis_away(error))


def test_a_statement_that_took_too_long_is_away_and_told_apart() -> None:
    slow = errors.QueryCanceled("canceling statement due to statement timeout")
    assert is_away(wrap(slow))
    assert type(tell_postgres_away(wrap(slow))) is type(tell_postgres_away(slow)) is StatementTimeoutError
    assert type(tell_postgres_away(wrap(errors.AdminShutdown("")))) is StoreAwayError


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), FileNotFoundError(), TimeoutError()])
def test_faults_of_this_machine_are_not_the_stores(error: Exception) -> None:
    assert not is_away(error)


def test_a_client_is_told_nothing_of_the_cause_and_the_log_everything() -> None:
    error = StoreAwayError(errors.AdminShutdown("terminating connection\nof host db-7"))
    assert str(error) == "terminating connection"
    assert "terminating" not in str(error.body())
    assert (error.status, error.retryable) == (503, True)
