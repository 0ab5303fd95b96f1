"""Bodies of the batch routes: OpenAI's."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.http.request_body import RequestBody

MetadataName = Annotated[str, Field(min_length=1, max_length=64)]
MetadataText = Annotated[str, Field(max_length=512)]


class BatchOrder(RequestBody):
    """The body of `POST /v1/batches`."""

    model_config = ConfigDict(extra="ignore")

    input_file_id: str = Field(min_length=1, max_length=64)
    endpoint: str = Field(max_length=64, examples=["/v1/chat/completions"])
    completion_window: str = Field(max_length=16, examples=["24h"])
    metadata: Annotated[dict[MetadataName, MetadataText], Field(max_length=16)] | None = None
    output_expires_after: dict[str, Any] | None = None


class ListedErrors(BaseModel):
    """Why the file was refused."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]


class Batch(BaseModel):
    """A file of requests and what has come of it so far."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str
    model: str | None
    errors: ListedErrors | None
    input_file_id: str
    completion_window: str
    status: Literal[
        "validating", "finalizing", "cancelling", "in_progress", "completed", "failed", "expired", "cancelled"
    ]
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: dict[str, int]
    usage: dict[str, Any] | None
    metadata: dict[str, str] | None
