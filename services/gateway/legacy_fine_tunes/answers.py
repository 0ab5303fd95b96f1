"""What the routes of 2023 answer, as it is told to machines."""

from typing import Literal

from pydantic import BaseModel

from services.gateway.files.schemas import File


class FineTuneEvent(BaseModel):
    """A line of a fine-tune's story."""

    object: Literal["fine-tune-event"]
    level: str
    created_at: int
    message: str


class FineTuneNumbers(BaseModel):
    """The settled hyperparameters; null for what is not settled yet."""

    n_epochs: int | None
    batch_size: int | None
    learning_rate_multiplier: float | None
    prompt_loss_weight: float | None


class FineTune(BaseModel):
    """A job in the form of 2023; its events are told where one is asked for."""

    id: str
    object: Literal["fine-tune"]
    model: str
    created_at: int
    updated_at: int
    organization_id: str
    status: Literal["pending", "running", "succeeded", "failed", "cancelled"]
    fine_tuned_model: str | None
    hyperparams: FineTuneNumbers
    training_files: list[File]
    validation_files: list[File]
    result_files: list[File]
    events: list[FineTuneEvent] | None = None


class DeletedFineTune(BaseModel):
    """What is left of a fine-tune."""

    id: str
    object: Literal["fine-tune"]
    deleted: Literal[True]
