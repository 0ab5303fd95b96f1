"""Real PostgreSQL and Redis servers for tests: shared ones for the session, private ones for fault tests."""

import asyncio
import os
import secrets
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import psycopg
from psycopg import sql

from storymill.launcher import postgres, redis
from storymill.launcher.child_command import build_child_command, find_server_owner
from storymill.launcher.ports import find_free_port

PROJECT_ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")

PASSWORD = "test"
TEMPLATE_DATABASE = "migrated_template"
REDIS_DATABASES = 16


def wait_until(condition: Callable[[], T], *, timeout_seconds: float = 20.0, what: str = "") -> T:
    """Poll until the condition is true and return its value; fail with `what` at the deadline."""
    deadline = time.monotonic() + timeout_seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_seconds:g} s for {what or condition}")
        time.sleep(0.02)
    return value


async def eventually(condition: Callable[[], T], *, timeout_seconds: float = 20.0, what: str = "") -> T:
    """`wait_until` for async tests: the event loop runs on between two looks."""
    deadline = time.monotonic() + timeout_seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_seconds:g} s for {what or condition}")
        await asyncio.sleep(0.02)
    return value


class PrivateServer(ABC):
    """A server process that a test may stop, kill and start again on the same port and folder."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.port = find_free_port()
        self.durable = durable
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(self.build_command(), stdout=log, stderr=log, cwd="/")
        process = self.process
        wait_until(
            lambda: process.poll() is not None or self.answers(),
            timeout_seconds=60,
            what=f"{self.build_command()[-1]} to answer",
        )
        if process.poll() is not None:
            raise RuntimeError((self.folder / "server.log").read_text()[-2000:])

    def stop(self) -> None:
        """Shut the server down in order."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(postgres.STOP_SIGNAL)
            self.process.wait(timeout=30)

    def kill(self) -> None:
        """`kill -9`: what a crash looks like."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=30)

    def restart(self) -> None:
        """Stop in order and start again."""
        self.stop()
        self.start()

    @abstractmethod
    def build_command(self) -> list[str]:
        """Return the command line of the server."""

    @abstractmethod
    def answers(self) -> bool:
        """Say whether the server takes connections."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class PrivatePostgres(PrivateServer):
    """A PostgreSQL of the test's own. `durable=False` turns fsync off: faster, still safe against kill -9."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        super().__init__(folder, durable=durable)
        self.data_dir = self.folder / "cluster"
        postgres.ensure_cluster(self.data_dir, PASSWORD, durable=durable)

    @property
    def url(self) -> str:
        """The URL of the empty default database."""
        return self.database_url(postgres.DATABASE)

    def database_url(self, database: str) -> str:
        """Return the URL of one database of this server."""
        return postgres.build_url(self.port, PASSWORD, database)

    def build_command(self) -> list[str]:
        """Return the command that runs this cluster and dies with the test process."""
        command = postgres.build_server_command(self.data_dir, self.port, durable=self.durable)
        return build_child_command(command, owner=find_server_owner(self.data_dir), death_signal=postgres.STOP_SIGNAL)

    def answers(self) -> bool:
        """Say whether connections are accepted."""
        probe = subprocess.run(postgres.build_probe_command(self.port), capture_output=True, check=False)
        return probe.returncode == 0

    def start(self) -> None:
        """Start the server, also after a kill that left a lock file behind."""
        postgres.clear_stale_lock(self.data_dir)
        super().start()

    def execute(self, statement: sql.Composed | sql.SQL) -> None:
        """Run one statement outside a transaction, as CREATE and DROP DATABASE need."""
        with psycopg.connect(self.database_url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def ensure_migrated_template(self) -> None:
        """Create the database that the tests' databases are copies of, by the real migrations."""
        with psycopg.connect(self.database_url("postgres")) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE_DATABASE]).fetchone()
        if found is None:
            self.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE_DATABASE)))
            migrate(self.database_url(TEMPLATE_DATABASE))

    def create_database(self) -> str:
        """Make a fresh, migrated database and return its name."""
        self.ensure_migrated_template()
        name = f"test_{secrets.token_hex(6)}"
        self.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE_DATABASE))
        )
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


class PrivateRedis(PrivateServer):
    """A Redis of the test's own. `durable=True` keeps its data over a restart, as the launcher's does."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        super().__init__(folder, durable=durable)

    @property
    def url(self) -> str:
        """The URL of logical database 0."""
        return self.database_url(0)

    def database_url(self, database: int) -> str:
        """Return the URL of one logical database."""
        return redis.build_url(self.port, PASSWORD, database)

    def build_command(self) -> list[str]:
        """Return the command that runs Redis with a configuration written for it."""
        config = redis.write_config(self.folder, self.port, PASSWORD, durable=self.durable)
        return build_child_command([str(redis.find_redis_binary()), str(config)])

    def answers(self) -> bool:
        """Say whether PING is answered."""
        return redis.answers_ping(self.port, PASSWORD)

    def flush(self, database: int) -> None:
        """Empty one logical database."""
        redis.send_commands(self.port, PASSWORD, f"SELECT {database}", "FLUSHDB")


def start_postgres(tmp: Path) -> PrivatePostgres:
    """Start a server in a folder; the caller stops it."""
    server = PrivatePostgres(tmp)
    server.start()
    return server


def start_redis(tmp: Path) -> PrivateRedis:
    """Start a server in a folder; the caller stops it."""
    server = PrivateRedis(tmp)
    server.start()
    return server


def migrate(database_url: str) -> None:
    """Run the migrations as the launcher does, by command line."""
    result = subprocess.run(
        [sys.executable, "-m", "shared.stores.db.migrate"],
        env={**os.environ, "STORYMILL_DATABASE_URL": database_url},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise RuntimeError(f"migrations failed:\n{result.stdout}\n{result.stderr}")
