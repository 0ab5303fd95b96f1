"""What the model routes answer, as it is told to machines."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class ModelObject(BaseModel):
    """OpenAI's model object. What its provider tells beside is passed on; from `provider` on the fields are ours, and
    only tuned models have most of them."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "id": "gpt-4o-mini",
                "object": "model",
                "created": 1721172741,
                "owned_by": "system",
                "provider": "openai",
            }
        },
    )
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    provider: str | None = None
    resolves_to: str | None = None
    model_id: str | None = None
    legacy_name: str | None = None
    base_model: str | None = None
    parent: str | None = None
    job: str | None = None
    dataset_version: str | None = None
    validation_file: str | None = None
    template: dict[str, Any] | None = None
    price: dict[str, Any] | None = None
    shutdown_date: str | None = None
    is_served: bool | None = None


class DeletedModel(BaseModel):
    """What is left of a tuned model."""

    id: str
    object: Literal["model"]
    deleted: Literal[True]


class TreeNode(BaseModel):
    """A tuned model with what came of it."""

    model: str
    model_id: str
    legacy_name: str | None
    aliases: list[str]
    job: str
    dataset_version: str | None
    training_file: str | None
    rows: int | None
    trained_tokens: int | None
    train_loss: float | None
    valid_loss: float | None
    cost_usd: float | None
    replay: dict[str, Any] | None
    created_at: int
    is_deleted: bool
    is_asked: bool
    children: list["TreeNode"]


class ModelTree(BaseModel):
    """The line and family of a tuned model."""

    object: Literal["model.tree"]
    model: str
    base_model: str
    ancestors: list[str]
    root: TreeNode


class ValidationFile(BaseModel):
    """A column of the forgetting matrix."""

    file: str
    of_model: str


class ForgettingCell(BaseModel):
    """A model on an ancestor's file; everything measured is null until it was measured."""

    file: str
    evaluation: str | None
    status: Literal["queued", "running", "succeeded", "failed"] | None
    loss: float | None
    token_accuracy: float | None
    rows: int | None
    loss_change: float | None
    error: dict[str, Any] | None


class ForgettingRow(BaseModel):
    """A model on every file."""

    model: str
    cells: list[ForgettingCell]


class ForgettingMatrix(BaseModel):
    """A model and its ancestors on the validation files of its line."""

    object: Literal["model.forgetting"]
    model: str
    validation_files: list[ValidationFile]
    rows: list[ForgettingRow]
    is_complete: bool
    notes: list[str]
