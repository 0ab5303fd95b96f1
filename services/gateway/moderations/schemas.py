"""The body of a moderation request. Unknown fields pass on to the provider; null means absent."""

from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from services.gateway.http.request_body import RequestBody

DEFAULT_MODEL: Final = "omni-moderation-latest"
"""OpenAI's."""
Parts = Annotated[list[dict[str, Any]], Field(min_length=1, fail_fast=True)]
"""Texts and pictures, as OpenAI's multi-modal models take them: all of them are judged as one."""


class ModerationRequest(RequestBody):
    """The body of `POST /v1/moderations`."""

    model_config = ConfigDict(extra="allow")

    model: str | None = Field(None, max_length=512, description=f"Without one, {DEFAULT_MODEL}.")
    input: str | Annotated[list[str], Field(min_length=1, fail_fast=True)] | Parts = Field(examples=["一个故事"])
