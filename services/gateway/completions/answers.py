"""What a completion answers, as it is told to machines; the answers themselves are written by `service`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from services.gateway.http.contents import events_of

EXAMPLE: dict[str, Any] = {
    "id": "cmpl-0198c1e2",
    "object": "text_completion",
    "created": 1753900000,
    "model": "text-davinci-003",
    "choices": [{"text": " 唐朝的奥特曼…", "index": 0, "logprobs": None, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 21},
}


class CompletionUsage(BaseModel):
    """Tokens of all choices; details where the provider tells them."""

    model_config = ConfigDict(extra="allow")
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int] | None = None
    completion_tokens_details: dict[str, int] | None = None


class TextChoice(BaseModel):
    """One of the texts asked for, and why it ended."""

    text: str
    index: int
    logprobs: dict[str, Any] | None
    finish_reason: str | None


class TextCompletion(BaseModel):
    """OpenAI's object of a completion that is whole: its choices and what they used."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})
    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: CompletionUsage | None
    system_fingerprint: str | None = None
    service_tier: str | None = None


class TextChunk(TextCompletion):
    """A piece of a completion that is told as it comes; its usage stands in the last one, where it was asked for."""

    usage: CompletionUsage | None = None


ANSWERS: dict[int | str, dict[str, Any]] = {200: {"model": TextCompletion, "content": events_of(TextChunk.__name__)}}
"""What a completion answers, on the current route and the legacy one."""
