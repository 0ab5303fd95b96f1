"""The engine's own database: one SQLite file in the state folder, shared by the engine and its trainer process.

Knows connections, transactions and migrations; the rows' meaning is in `files` and `training.job_store`.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

BUSY_TIMEOUT_SECONDS = 30.0
"""How long one process waits for the other's write. Writes are milliseconds; this is for a stalled disk."""

MIGRATIONS = (
    """
    CREATE TABLE files (
        id TEXT PRIMARY KEY, number INTEGER UNIQUE, bytes INTEGER NOT NULL, created_at INTEGER NOT NULL,
        filename TEXT NOT NULL, purpose TEXT NOT NULL, expires_at INTEGER
    );
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY, number INTEGER UNIQUE, status TEXT NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL, finished_at INTEGER, estimated_finish INTEGER, trained_tokens INTEGER,
        fine_tuned_model TEXT, error TEXT, hyperparameters TEXT NOT NULL, result_files TEXT NOT NULL DEFAULT '[]',
        fruitless_starts INTEGER NOT NULL DEFAULT 0, released INTEGER NOT NULL DEFAULT 0,
        request TEXT NOT NULL, source TEXT NOT NULL
    );
    CREATE INDEX jobs_by_status ON jobs (status, number);
    CREATE TABLE job_events (
        job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, sequence INTEGER NOT NULL, key TEXT NOT NULL,
        created_at INTEGER NOT NULL, level TEXT NOT NULL, type TEXT NOT NULL, message TEXT NOT NULL, data TEXT,
        PRIMARY KEY (job_id, sequence), UNIQUE (job_id, key)
    ) WITHOUT ROWID;
    CREATE TABLE job_metrics (
        job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, step INTEGER NOT NULL, metrics TEXT NOT NULL,
        PRIMARY KEY (job_id, step)
    ) WITHOUT ROWID;
    CREATE TABLE job_checkpoints (
        id TEXT PRIMARY KEY, job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, step INTEGER NOT NULL,
        created_at INTEGER NOT NULL, model TEXT NOT NULL, metrics TEXT NOT NULL, UNIQUE (job_id, step)
    );
    """,
    """
    CREATE TABLE idempotency_keys (
        kind TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, made_id TEXT NOT NULL,
        created_at INTEGER NOT NULL, PRIMARY KEY (kind, key)
    ) WITHOUT ROWID
    """,
)


class Store:
    """Opens the database at `path`, creating or upgrading it. Safe to use from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            _migrate(connection)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection for queries."""
        with closing(self._connect()) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A connection inside a write transaction, committed at the end and rolled back by an exception."""
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = NORMAL")  # survives kill -9; a power cut may lose the last events
        connection.execute("PRAGMA foreign_keys = ON")
        return connection


def open_store(state_dir: Path) -> Store:
    """Open the store of a state folder."""
    return Store(state_dir / "engine.sqlite3")


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    done = connection.execute("PRAGMA user_version").fetchone()[0]
    if done > len(MIGRATIONS):
        connection.rollback()
        raise RuntimeError(f"the state folder was written by a newer engine (version {done})")
    for number, script in enumerate(MIGRATIONS[done:], start=done + 1):
        for statement in script.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
    connection.commit()
