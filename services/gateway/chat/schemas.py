"""The body of a chat request. Unknown fields pass on to the provider; null means absent."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.completions.schemas import SamplingRequest


class ChatMessage(BaseModel):
    """One turn; further fields (name, tool_calls, tool_call_id …) pass on."""

    model_config = ConfigDict(extra="allow", strict=True)
    role: str = Field(min_length=1, max_length=64)
    content: str | Annotated[list[dict[str, Any]], Field(fail_fast=True)] | None = None


class ChatRequest(SamplingRequest):
    """The body of `POST /v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, fail_fast=True)]
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: Annotated[list[dict[str, Any]], Field(fail_fast=True)] | None = None
