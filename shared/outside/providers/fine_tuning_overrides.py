"""`[providers.NAME.fine_tuning]`: what the operator knows better than the capability table."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class FineTuningEntry(BaseModel):
    """The fields of `Capabilities`; those that are given replace the table's."""

    model_config = ConfigDict(extra="forbid")
    adoption: Literal["metadata", "suffix", "training_file"] | None = None
    suffix: bool | None = None
    validation_file: bool | None = None
    seed: bool | None = None
    method: bool | None = None
    events: bool | None = None
    event_page: int | None = Field(None, ge=1, le=1000)
    checkpoints: bool | None = None
    pause: bool | None = None
    result_files: bool | None = None
    list_files: bool | None = None
    scoring: bool | None = None
    relative_learning_rate: bool | None = None
    running_poll_seconds: float | None = Field(None, gt=0)
    slowest_poll_seconds: float | None = Field(None, gt=0)
