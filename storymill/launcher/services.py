"""The table of the mill's own processes: command line, readiness, order. They are started, never imported."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from storymill.launcher.engine_model import build_model_environment
from storymill.launcher.given_secret import FILE_SUFFIX
from storymill.launcher.options import UpOptions
from storymill.launcher.ports import LOOPBACK, find_free_port
from storymill.launcher.probes import probe_fresh_file, probe_http
from storymill.launcher.process_spec import ProcessSpec
from storymill.launcher.sealing import ENCRYPTION_KEY_FILE
from storymill.launcher.state_dir import StateDir
from storymill.launcher.stores import DATABASE_URL, Stores

PROJECT_ROOT = Path(__file__).resolve().parents[2]
CELERY_APP = "services.workers.celery_app"
# With these the engine may fetch a base from a hub.
HUB_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
BATCH_QUEUES = "datasets,fine_tuning"
# Tasks wait on the worker's one event loop, so a thread is only a place in the queue, not a share of the CPU.
INTERACTIVE_CONCURRENCY = 256
GENERATION_CONCURRENCY = 8
BATCH_CONCURRENCY = 16
# The reaper heals what others leave: a process of its own, so that no job takes its thread, its loop or its memory.
MAINTENANCE_CONCURRENCY = 4
# A worker hands its rows back within 2.5 s of SIGTERM; the rest is for a busy machine.
WORKER_GRACE_SECONDS = 15.0
# The gateway lets requests go on for 10 s after SIGTERM, the streaming service sends its viewers away within 5.
ENTRANCE_GRACE_SECONDS = 15.0
# The engine lets texts end for 20 s; by then the workers that asked for them have gone.
ENGINE_GRACE_SECONDS = 30.0
# The engine converts its weights on the first start; a machine with slow cores needs minutes for it.
ENGINE_START_SECONDS = 900.0


@dataclass(frozen=True)
class Addresses:
    """Where each HTTP service of this run listens."""

    gateway_port: int
    streaming_port: int
    engine_port: int

    @property
    def gateway_url(self) -> str:
        """Where REST is spoken."""
        return f"http://{LOOPBACK}:{self.gateway_port}"

    @property
    def streaming_url(self) -> str:
        """Where streams are watched."""
        return f"http://{LOOPBACK}:{self.streaming_port}"

    @property
    def engine_url(self) -> str:
        """The engine's OpenAI base URL."""
        return f"http://{LOOPBACK}:{self.engine_port}/v1"


def build_environment(options: UpOptions, state: StateDir, stores: Stores, addresses: Addresses) -> dict[str, str]:
    """Return the variables that every process of the mill gets on top of ours."""
    return {
        **stores.environment,
        "STORYMILL_STATE_DIR": str(state.root),
        "STORYMILL_OBJECT_STORE_DIR": str(state.objects),
        "STORYMILL_BOUNDS_FILE": os.environ.get("STORYMILL_BOUNDS_FILE") or str(state.bounds_file),
        "STORYMILL_WORKER_TRACKER_DIR": str(state.root / "trackers"),
        "STORYMILL_GATEWAY_URL": addresses.gateway_url,
        "STORYMILL_STREAMING_URL": addresses.streaming_url,
        # Empty says that there is none; unset would mean the default address.
        "STORYMILL_ENGINE_URL": addresses.engine_url if options.needs_engine else "",
        "STORYMILL_UPSTREAM_URL": options.upstream or "",
        **build_python_environment(),
    }


def build_python_environment() -> dict[str, str]:
    """Let the services come from this checkout, whatever folder we were started in."""
    search_path = [str(PROJECT_ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(folder for folder in search_path if folder),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }


def build_services(
    options: UpOptions, state: StateDir, environment: dict[str, str], addresses: Addresses
) -> list[list[ProcessSpec]]:
    """Return the groups in the order of their start."""
    table = ServiceTable(state, environment)
    engine = [table.build_engine(addresses.engine_port, options.model)] if options.needs_engine else []
    workers = [table.build_worker("worker-interactive", "interactive", INTERACTIVE_CONCURRENCY)]
    for number in range(1, options.workers + 1):
        name = "worker-generation" if options.workers == 1 else f"worker-generation-{number}"
        workers.append(table.build_worker(name, "generation", GENERATION_CONCURRENCY))
    workers.append(table.build_worker("worker-batch", BATCH_QUEUES, BATCH_CONCURRENCY))
    workers.append(table.build_worker("worker-maintenance", "maintenance", MAINTENANCE_CONCURRENCY))
    entrances = [
        table.build_http_service("streaming", addresses.streaming_port),
        table.build_http_service("gateway", addresses.gateway_port),
    ]
    return [group for group in (engine, [*workers, table.build_beat()], entrances) if group]


@dataclass(frozen=True)
class ServiceTable:
    """Builds the entry of each kind of process."""

    state: StateDir
    environment: dict[str, str]

    def leave_out(self, *names: str) -> dict[str, str]:
        """Return what all get, without some of it."""
        return {name: value for name, value in self.environment.items() if name not in names}

    def build_http_service(self, name: str, port: int) -> ProcessSpec:
        """The gateway or the streaming service."""
        return ProcessSpec(
            name=name,
            command=[sys.executable, "-m", f"services.{name}", "--host", LOOPBACK, "--port", str(port)],
            probe=probe_http(f"http://{LOOPBACK}:{port}/readyz"),
            log_file=self.state.log_file(name),
            environment=self.environment if name == "gateway" else self.leave_out(ENCRYPTION_KEY_FILE),
            keeps_secrets=name == "gateway",
            port=port,
            stop_grace_seconds=ENTRANCE_GRACE_SECONDS,
        )

    def build_engine(self, port: int, model: str | None = None) -> ProcessSpec:
        """The model server, which stands in for OpenAI: it gets its own folder and no database."""
        return ProcessSpec(
            name="engine",
            command=[sys.executable, "-m", "services.engine", "--host", LOOPBACK, "--port", str(port)],
            probe=probe_http(f"http://{LOOPBACK}:{port}/readyz"),
            log_file=self.state.log_file("engine"),
            environment={
                **{name: os.environ[name] for name in HUB_TOKENS if name in os.environ},
                "STORYMILL_ENGINE_STATE_DIR": str(self.state.engine),
                **build_model_environment(self.state.root, model),
                **build_python_environment(),
            },
            port=port,
            stop_grace_seconds=ENGINE_GRACE_SECONDS,
            start_timeout_seconds=ENGINE_START_SECONDS,
        )

    def build_worker(self, name: str, queues: str, concurrency: int) -> ProcessSpec:
        """A Celery worker on some queues, with an HTTP port for probes and metrics."""
        port = find_free_port()
        return ProcessSpec(
            name=name,
            command=[
                *(sys.executable, "-m", "celery", "-A", CELERY_APP, "worker"),
                *("--pool", "threads", "--concurrency", str(concurrency)),
                *("-Q", queues, "-n", f"{name.removeprefix('worker-')}@%h"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"),
            ],
            probe=probe_http(f"http://{LOOPBACK}:{port}/readyz"),
            log_file=self.state.log_file(name),
            environment={**self.environment, "STORYMILL_WORKER_HTTP_PORT": str(port)},
            keeps_secrets=True,
            port=port,
            stop_grace_seconds=WORKER_GRACE_SECONDS,
        )

    def build_beat(self) -> ProcessSpec:
        """Celery's scheduler, which needs the queue alone. It has no port: its schedule file shows that it runs."""
        schedule = self.state.beat / "schedule"
        return ProcessSpec(
            name="beat",
            command=[
                *(sys.executable, "-m", "celery", "-A", CELERY_APP, "beat"),
                *("--schedule", str(schedule), "--pidfile=", "--loglevel", "INFO"),
            ],
            probe=probe_fresh_file(self.state.beat, "schedule*"),
            log_file=self.state.log_file("beat"),
            environment=self.leave_out(ENCRYPTION_KEY_FILE, DATABASE_URL, DATABASE_URL + FILE_SUFFIX),
        )
