"""What the fine-tuning routes answer beside the job itself, as it is told to machines."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class JobEvent(BaseModel):
    """Something that happened: ours, or a provider's with its own id where that was asked for."""

    id: str
    object: Literal["fine_tuning.job.event"]
    created_at: int
    level: Literal["info", "warn", "error"]
    type: Literal["message", "metrics"]
    message: str
    data: dict[str, Any] | None
    provider_event_id: str | None = None


class JobCheckpoint(BaseModel):
    """A model of a step, usable by its name."""

    id: str
    object: Literal["fine_tuning.job.checkpoint"]
    created_at: int
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str
    step_number: int
    metrics: dict[str, Any]


class StepMetrics(BaseModel):
    """What a step measured; null where the provider did not say."""

    step: int
    elapsed_tokens: int | None
    elapsed_examples: int | None
    train_loss: float | None
    train_sequence_accuracy: float | None
    train_token_accuracy: float | None
    valid_loss: float | None
    valid_sequence_accuracy: float | None
    valid_token_accuracy: float | None
    learning_rate: float | None


class JobChange(BaseModel):
    """A change of a job's status: who made it, and why."""

    model_config = ConfigDict(serialize_by_alias=True)
    id: str
    object: Literal["fine_tuning.job.change"]
    before: str | None = Field(alias="from")
    after: str = Field(alias="to")
    by: str
    reason: str | None
    created_at: int


class CheckpointPermission(BaseModel):
    """OpenAI's right of a project to a checkpoint of another: here nobody ever has one."""

    id: str
    object: Literal["checkpoint.permission"]
    created_at: int
    project_id: str
