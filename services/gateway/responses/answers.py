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
    object: Literal["response"] = "response"
    deleted: Literal[True] = True
