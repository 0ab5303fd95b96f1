"""The streaming service's own settings, beside the shared ones; all from `STORYMILL_*` variables."""

from pydantic import Field

from shared.bounds import Bounds
from shared.settings import Settings


class StreamingSettings(Settings, Bounds):
    """Limits and delays of the streaming service."""

    gateway_url: str | None = None
    """Base URL of the gateway (without /v1), where `start` frames are carried out; without it they are refused."""
    max_connections: int = Field(10_000, ge=1)
    max_subscriptions: int = Field(100, ge=1)
    """Streams on one socket."""
    handshakes_per_second: float = Field(200.0, gt=0)
    """More wait their turn: after a cut everybody comes back at once."""
    frames_per_second: float = Field(50.0, gt=0)
    """Client frames on one socket, over a burst of four times as many."""
    closed_key_seconds: float = Field(1.0, ge=0)
    """How long a key waits for its next socket after one was closed for what it sent."""
    heartbeat_seconds: float = Field(15.0, gt=0)
    auth_seconds: float = Field(10.0, gt=0)
    """How long a socket may stay without credentials."""
    job_watch_interval_seconds: float = Field(0.25, gt=0)
    """How often watched fine-tuning jobs are looked at, all in one query."""
    drain_seconds: float = Field(5.0, ge=0)
    """Over how long clients are sent away after SIGTERM."""
