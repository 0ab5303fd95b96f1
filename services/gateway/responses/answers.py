"""What `/v1/responses` answers, as it is told to machines; the objects themselves are written by `response_object`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]


class ResponseObject(BaseModel):
    """A response; what its request asked for is told again beside these fields."""

    model_config = ConfigDict(extra="allow")
    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Status
    background: bool
    model: str
    output: list[dict[str, Any]]
    usage: dict[str, Any] | None
    error: dict[str, Any] | None
    incomplete_details: dict[str, Any] | None
    previous_response_id: str | None
    metadata: dict[str, str]


class DeletedResponse(BaseModel):
    """What is left of a response."""

    id: str
    object: Literal["response"]
    deleted: Literal[True]


class InputItem(BaseModel):
    """What a response was asked with, as it was given; its id is ours where it had none."""

    model_config = ConfigDict(extra="allow")
    id: str
    type: str


class ResponseEvent(BaseModel):
    """An event of a response; by its type it holds the response, an item, a part or a delta."""

    model_config = ConfigDict(extra="allow")
    type: str
    sequence_number: int
