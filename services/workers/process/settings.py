"""Settings that only the workers read, from `STORYMILL_WORKER_*` variables."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

AbsolutePath = Annotated[Path, AfterValidator(Path.absolute)]
"""Seen from where the worker was started: its children start elsewhere."""


class WorkerSettings(BaseSettings):
    """How a worker process behaves."""

    model_config = SettingsConfigDict(env_prefix="STORYMILL_WORKER_", extra="ignore")

    http_host: str = "127.0.0.1"
    http_port: int | None = Field(None, ge=0, le=65535)
    """Where `/livez`, `/readyz` and `/metrics` are served; nothing is served without it."""
    drain_seconds: float = Field(2.0, ge=0)
    """After SIGTERM: how long running jobs may still finish before their rows are handed back."""
    lease_seconds: float = Field(10.0, ge=0.5)
    """A row whose worker was not heard of for so long is another's. Give all workers the same."""
    patience_seconds: float = Field(120.0, ge=0)
    """How long an interactive completion is tried again while its provider fails: a restarted engine is back then."""
    run_patience_seconds: float = Field(6 * 3600.0, gt=0)
    """How long a volume run waits for a provider that is down before it is paused."""
    down_grace_seconds: float = Field(60.0, ge=0)
    """A provider that went down less long ago may only be restarting: interactive texts wait for it. Later they fail at
    once, with 429."""
    longest_silence_seconds: float = Field(600.0, ge=0)
    """A run whose provider asks to be left alone for longer is paused until then, and goes on by itself."""
    hung_seconds: float = Field(20.0, gt=0)
    """A provider that takes calls and answers none for so long (and four times longer than it usually takes) is
    down."""
    fine_tuning_validation_seconds: float = Field(3600.0, gt=0)
    """How long a provider may validate a job's files before the job is given up."""
    preparation_niceness: int = Field(19, ge=0, le=19)
    """The processor goes to everybody else before it goes to a dataset's preparation; 0: it is shared alike."""
    redis_connections: int = Field(32, ge=4)
    stream_tick_seconds: float = Field(0.02, ge=0, le=0.1)
    """Tokens of a stream are gathered for so long before they are written."""
    tracker_processes: int = Field(4, ge=1)
    """Experiment trackers told at the same time; each is a child process of 50 to 250 MB."""
    tracker_python: AbsolutePath | None = None
    """The interpreter that has the trackers' packages (extra `trackers`); the worker's own unless given."""
    tracker_answer_seconds: float = Field(60.0, gt=0)
    """A tracker that answers nothing for so long (twice as long at its end) is killed and tried again later."""
    tracker_dir: AbsolutePath = Path(".storymill/trackers").absolute()
    """Where trackers that write files keep them."""

    @property
    def renew_seconds(self) -> float:
        """How often leases are renewed: four renewals may fail before one lapses."""
        return self.lease_seconds / 5


@lru_cache
def load_worker_settings() -> WorkerSettings:
    """Read the settings once per process. Raises pydantic's ValidationError that names each bad variable."""
    return WorkerSettings()
