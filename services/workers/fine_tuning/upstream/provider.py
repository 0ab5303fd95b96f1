"""What a fine-tuning job needs of a provider, whatever protocol that speaks. Every call may raise LlmError."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from shared.outside.providers.fine_tuning_capabilities import Capabilities


@dataclass(frozen=True, slots=True)
class JobOrder:
    """A job to be made. What the provider cannot take is left out by the caller."""

    model: str
    training_file: str
    validation_file: str | None = None
    suffix: str | None = None
    seed: int | None = None
    method: dict[str, Any] | None = None
    hyperparameters: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class UpstreamJob:
    """A job as its provider shows it. `status` is one of ours."""

    id: str
    status: str
    model: str | None = None
    training_file: str | None = None
    suffix: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    fine_tuned_model: str | None = None
    result_files: tuple[str, ...] = ()
    trained_tokens: int | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    estimated_finish: datetime | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class UpstreamEvent:
    """An event as its provider shows it."""

    id: str
    level: str
    type: str
    message: str
    data: dict[str, Any] | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class UpstreamCheckpoint:
    """A checkpoint as its provider shows it."""

    id: str
    step_number: int
    model: str
    metrics: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events, the newest first, and where the next page begins; None when this is the last."""

    events: Sequence[UpstreamEvent]
    after: str | None


class FineTuningProvider(Protocol):
    """A provider's fine-tuning side."""

    capabilities: Capabilities

    async def upload_file(self, path: Path, filename: str) -> str:
        """Upload a training file; return its id there."""
        ...

    async def find_file(self, filename: str, size: int) -> str | None:
        """Return the id of an uploaded training file of this name and size."""
        ...

    async def read_file(self, file_id: str) -> bytes:
        """Return a file's bytes."""
        ...

    async def create_job(self, order: JobOrder) -> UpstreamJob:
        """Make a job."""
        ...

    def list_jobs(self, metadata: dict[str, str] | None) -> AsyncIterator[UpstreamJob]:
        """Yield the jobs, the newest first. A provider that knows no filter by metadata yields all."""
        ...

    async def get_job(self, job_id: str) -> UpstreamJob:
        """Return a job as it is now. Raises: LlmError when the provider does not know it, or gives no usable answer."""
        ...

    async def change_job(self, job_id: str, wish: str) -> UpstreamJob:
        """Cancel, pause or resume a job."""
        ...

    async def list_events(self, job_id: str, after: str | None) -> EventPage:
        """Return a page of events older than the one called `after`."""
        ...

    async def list_checkpoints(self, job_id: str) -> list[UpstreamCheckpoint]:
        """Return the checkpoints that there are."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
