"""The body of a chat request. Unknown fields pass on to the provider; null means absent."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from services.gateway.completions.schemas import SamplingRequest
from services.gateway.http.body_rules import need_one
from services.gateway.http.request_body import RequestBody

EXAMPLE = [{"role": "user", "content": "写一个唐朝的故事。"}]


class ChatMessage(RequestBody):
    """One turn; further fields (name, tool_calls, tool_call_id …) pass on."""

    model_config = ConfigDict(extra="allow")
    role: str = Field(min_length=1, max_length=64)
    content: str | Annotated[list[dict[str, Any]], Field(fail_fast=True)] | None = None


class ChatRequest(SamplingRequest):
    """The body of `POST /v1/chat/completions`."""

    model_config = ConfigDict(json_schema_extra=need_one("model"))

    messages: Annotated[list[ChatMessage], Field(min_length=1, fail_fast=True, examples=[EXAMPLE])]
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: Annotated[list[dict[str, Any]], Field(fail_fast=True)] | None = None
