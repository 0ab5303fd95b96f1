"""What a chat answers, as it is told to machines; the answers themselves are written by `service`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from services.gateway.completions.answers import CompletionUsage


class AssistantMessage(BaseModel):
    """What the model said; content is null where it called tools or refused."""

    model_config = ConfigDict(extra="allow")
    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    tool_calls: list[dict[str, Any]] | None = None
    reasoning_content: str | None = None


class ChatChoice(BaseModel):
    """One of the `n` messages that were asked for."""

    index: int
    message: AssistantMessage
    logprobs: dict[str, Any] | None
    finish_reason: str | None


class ChatCompletion(BaseModel):
    """OpenAI's object of a chat that is whole: its choices and what they used."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: CompletionUsage | None
    system_fingerprint: str | None = None
    service_tier: str | None = None
