"""One module says what "the store is away" means: nobody else knows the errors of the stores' own clients."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.source_files import PRODUCT, parse_folders

OWNER = Path("shared/stores/away.py")
CLIENTS = frozenset({"redis", "sqlalchemy", "psycopg", "kombu"})
"""Packages through which we reach a store."""
ERROR_MODULES = frozenset({"exceptions", "exc", "errors"})

OTHER_USERS = {
    (Path("services/workers/streams/writer.py"), "NoScriptError"): "Redis is there, and has forgotten our scripts",
    (Path("shared/streams/live_feed.py"), "ConnectionError"): "raised, not caught: silence is a lost connection",
    (
        Path("shared/stores/queue/sender.py"),
        "OperationalError",
    ): "the broker's: a message unsent is the reaper's to send",
    (
        Path("shared/stores/db/idle_connections.py"),
        "exc",
    ): "raised, not caught: the pool's own word for a dead connection",
    (Path("shared/stores/db/migrate.py"), "OperationalError"): "a command, before any service has a database",
}
"""Who else names such an error, each with the reason."""

OWN_NAMES = frozenset({"STORE_AWAY", "AWAY_OR_SILENT"})
SYSTEM_ERRORS = frozenset({"TimeoutError", "OSError", "IOError", "ConnectionError"})
"""Errors of the machine that mean, beside those, that a store is away, or wrongly seem to."""


def find_mixtures(tree: ast.Module) -> Iterator[str]:
    """Yield where a module puts errors of the machine beside those that mean that a store is away."""
    for node in ast.walk(tree):
        parts = node.elts if isinstance(node, ast.Tuple) else node.args if isinstance(node, ast.Call) else []
        names = {ast.unparse(part).lstrip("*").split(".")[-1] for part in parts}
        if names & OWN_NAMES and names & SYSTEM_ERRORS:
            yield ast.unparse(node)


def find_store_errors(tree: ast.Module) -> Iterator[str]:
    """Yield the errors of the stores' clients that a module imports, and the modules of theirs that hold errors."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            package, *inner = node.module.split(".")
            holds_errors = bool(ERROR_MODULES.intersection(inner))
            for name in (part.name for part in node.names):
                if package in CLIENTS and (holds_errors or name in ERROR_MODULES or name.endswith("Error")):
                    yield name
        elif isinstance(node, ast.Import):
            yield from (part.name for part in node.names if part.name.split(".")[0] in CLIENTS)


def test_only_the_owner_knows_the_errors_of_the_stores() -> None:
    found = {
        (path, name)
        for path, tree in parse_folders(PRODUCT).items()
        if path != OWNER and not path.is_relative_to("services/engine")
        for name in find_store_errors(tree)
    }
    assert found == set(OTHER_USERS)


def test_an_error_is_found_however_it_is_imported() -> None:
    source = """
import psycopg
import redis.exceptions
from redis import RedisError
from sqlalchemy import exc, select
from sqlalchemy.orm.exc import StaleDataError
from redis.asyncio import Redis
from psycopg.errors import ReadOnlySqlTransaction as ReadOnly
"""
    assert list(find_store_errors(ast.parse(source))) == [
        "psycopg",
        "redis.exceptions",
        "RedisError",
        "exc",
        "StaleDataError",
        "ReadOnlySqlTransaction",
    ]


def test_only_the_owner_says_what_is_away_beside_the_errors_of_the_stores() -> None:
    found = {
        str(path): mixtures
        for path, tree in parse_folders(PRODUCT).items()
        if path != OWNER and (mixtures := list(find_mixtures(tree)))
    }
    assert found == {}


def test_a_mixture_is_found_however_it_is_written() -> None:
    source = """
try:
    pass
except (*STORE_AWAY, TimeoutError):
    pass
with suppress(OSError, *away.STORE_AWAY):
    pass
with suppress(asyncio.CancelledError, *STORE_AWAY):
    pass
"""
    assert list(find_mixtures(ast.parse(source))) == [
        "(*STORE_AWAY, TimeoutError)",
        "suppress(OSError, *away.STORE_AWAY)",
    ]
