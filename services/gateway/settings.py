"""The gateway's own settings, beside the shared ones; all from `STORYMILL_*` variables."""

from pydantic import Field

from shared.bounds import Bounds
from shared.settings import Settings


class GatewaySettings(Settings, Bounds):
    """Delays of the gateway, and the bounds that every service shares."""

    answer_timeout_seconds: float = Field(600.0, gt=0)
    """How long an unstreamed request waits for its texts."""
    keep_alive_seconds: float = Field(10.0, gt=0)
    """Longest silence on an event stream before a comment line. Clients give up after 60 s at the earliest."""
    progress_interval_seconds: float = Field(0.5, gt=0)
    """How often a generation's events look at its row."""
    job_watch_interval_seconds: float = Field(0.25, gt=0)
    """How often a process looks at the fine-tuning jobs that are watched through it; all of them with one query."""
    drain_seconds: int = Field(10, ge=0)
    """How long requests may go on after SIGTERM."""
