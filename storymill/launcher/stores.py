"""The stores of a mill: the embedded servers, or the ones that the environment names."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import psutil

from storymill.launcher import postgres, redis
from storymill.launcher.child_command import find_server_owner
from storymill.launcher.errors import NotRunningError
from storymill.launcher.given_secret import find_given_secret
from storymill.launcher.ports import find_free_port
from storymill.launcher.probes import probe_command, probe_redis
from storymill.launcher.process_spec import ProcessSpec
from storymill.launcher.secrets_file import StoreSecrets, ensure_secrets
from storymill.launcher.snapshot import find_running
from storymill.launcher.state_dir import StateDir

STALE_SERVER_STOP_SECONDS = 20.0
DATABASE_URL: Final = "STORYMILL_DATABASE_URL"
REDIS_URL: Final = "STORYMILL_REDIS_URL"


@dataclass(frozen=True)
class Stores:
    """Where the services find Postgres and Redis, and the servers that we run for it."""

    environment: dict[str, str]
    """What leads our processes to them."""
    specs: list[ProcessSpec]


def build_stores(state: StateDir, secrets: StoreSecrets) -> Stores:
    """Plan a server of our own for each store whose `STORYMILL_…_URL` is not given, in a variable or a file. Raises:
    LauncherError for a file that cannot be read."""
    specs: list[ProcessSpec] = []
    environment: dict[str, str] = {}
    if given := find_given_secret(DATABASE_URL):
        environment |= given.environment
    else:
        port = find_free_port()
        environment[DATABASE_URL] = postgres.build_url(port, secrets.postgres_password)
        specs.append(build_postgres_spec(state, port, secrets.postgres_password))
    if given := find_given_secret(REDIS_URL):
        environment |= given.environment
    else:
        port = find_free_port()
        environment[REDIS_URL] = redis.build_url(port, secrets.redis_password)
        specs.append(build_redis_spec(state, port, secrets.redis_password))
    return Stores(environment, specs)


def find_database_url(state: StateDir) -> str:
    """Return the URL of the database that the mill of this state directory uses now.

    Raises: NotRunningError when it is our own server and that does not run, LauncherError for a file that cannot be
    read.
    """
    if given := find_given_secret(DATABASE_URL):
        return given.value
    running = find_running(state)
    ports = [status.port for status in running.processes if status.name == "postgres"] if running else []
    if not ports or ports[0] is None:
        raise NotRunningError(f"The database of {state.root} is not running: start it with `storymill up`.")
    return postgres.build_url(ports[0], ensure_secrets(state).postgres_password)


def build_postgres_spec(state: StateDir, port: int, password: str) -> ProcessSpec:
    """Make the cluster if there is none and plan its server."""
    postgres.ensure_cluster(state.postgres, password)
    return ProcessSpec(
        name="postgres",
        command=postgres.build_server_command(state.postgres, port),
        probe=probe_command(postgres.build_probe_command(port)),
        log_file=state.log_file("postgres"),
        port=port,
        owner=find_server_owner(state.postgres),
        prepare=make_way_for_postgres(state.postgres),
        stop_signal=postgres.STOP_SIGNAL,
        # A fast shutdown writes a checkpoint; killing it would only move that work into the next start.
        stop_grace_seconds=30,
    )


def make_way_for_postgres(data_dir: Path) -> Callable[[], None]:
    """Return what to do before each start: end a server that an earlier launcher left on the cluster."""

    def prepare() -> None:
        leftover = postgres.clear_stale_lock(data_dir)
        if leftover is not None:
            leftover.send_signal(signal.SIGINT)
            psutil.wait_procs([leftover], timeout=STALE_SERVER_STOP_SECONDS)

    return prepare


def build_redis_spec(state: StateDir, port: int, password: str) -> ProcessSpec:
    """Write the configuration and plan the server."""
    config = redis.write_config(state.redis, port, password)
    return ProcessSpec(
        name="redis",
        command=[str(redis.find_redis_binary()), str(config)],
        probe=probe_redis(port, password),
        log_file=state.log_file("redis"),
        port=port,
        prepare=partial(redis.set_broken_log_aside, state.redis, state.log_file("redis")),
    )
