"""What a completion answers, as it is told to machines; the answers themselves are written by `service`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

EVENTS: dict[str, Any] = {"text/event-stream": {"schema": {"type": "string"}}}
"""The content of an answer that may be asked for as server-sent events."""


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

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: CompletionUsage | None
    system_fingerprint: str | None = None
    service_tier: str | None = None
