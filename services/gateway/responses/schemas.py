"""The body of a response request. What is not named here is refused by name: see `unsupported`."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from services.gateway.http.body_rules import need_one
from services.gateway.http.request_body import RequestBody

MAX_METADATA = 16
Objects = Annotated[list[dict[str, Any]], Field(fail_fast=True)]
"""Only the first error of a request is told, so lists are read no further than that."""


class Reasoning(RequestBody):
    """How much a reasoning model shall think."""

    model_config = ConfigDict(extra="forbid")

    effort: str | None = Field(None, max_length=64)
    summary: Literal["auto"] | None = None
    """Chats have no summaries; `auto` gets what there is, which is the reasoning itself."""
    generate_summary: Literal["auto"] | None = None


class TextFormat(RequestBody):
    """What the text shall be: plain, JSON, or JSON of a schema."""

    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = Field(None, max_length=64)
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class TextConfig(RequestBody):
    """How the text shall be."""

    model_config = ConfigDict(extra="forbid")

    format: TextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ResponseStreamOptions(RequestBody):
    """How a stream is told. Nothing is obfuscated here, whatever is asked."""

    model_config = ConfigDict(extra="forbid")

    include_obfuscation: bool | None = None


class ResponseRequest(RequestBody):
    """The body of `POST /v1/responses`."""

    model_config = ConfigDict(extra="allow", json_schema_extra=need_one("model"))

    model: str | None = Field(None, max_length=512, examples=["text-davinci-003"])
    input: str | Objects | None = Field(None, examples=["写一个唐朝的故事。"])
    instructions: str | None = None
    previous_response_id: str | None = Field(None, max_length=64)
    stream: bool | None = None
    stream_options: ResponseStreamOptions | None = None
    store: bool | None = None
    background: bool | None = None
    max_output_tokens: int | None = Field(None, ge=1, le=10_000_000)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_logprobs: int | None = Field(None, ge=0, le=20)
    text: TextConfig | None = None
    reasoning: Reasoning | None = None
    tools: Objects | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = Field(None, ge=1)
    include: Annotated[list[str], Field(fail_fast=True)] | None = None
    metadata: Annotated[dict[str, str], Field(max_length=MAX_METADATA)] | None = None
    truncation: Literal["disabled"] | None = None
    service_tier: str | None = Field(None, max_length=64)
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = Field(None, max_length=64)
