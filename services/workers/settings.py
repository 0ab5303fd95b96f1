"""Settings that only the workers read, from `STORYMILL_WORKER_*` variables."""

from functools import lru_cache

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class WorkerSettings(BaseSettings):
    """How a worker process behaves."""

    model_config = SettingsConfigDict(env_prefix="STORYMILL_WORKER_", extra="ignore")

    http_host: str = "127.0.0.1"
    http_port: int | None = Field(None, ge=0, le=65535)
    """Where `/livez`, `/readyz` and `/metrics` are served; nothing is served without it."""
    drain_seconds: float = Field(2.0, ge=0)
    """After SIGTERM: how long running jobs may still finish before their rows are handed back."""
    patience_seconds: float = Field(120.0, ge=0)
    """How long an interactive completion is tried again while its provider fails: a restarted engine is back then."""
    redis_connections: int = Field(32, ge=4)
    stream_tick_seconds: float = Field(0.02, ge=0, le=0.1)
    """Tokens of a stream are gathered for so long before they are written."""


@lru_cache
def load_worker_settings() -> WorkerSettings:
    """Read the settings once per process. Raises pydantic's ValidationError that names each bad variable."""
    return WorkerSettings()
