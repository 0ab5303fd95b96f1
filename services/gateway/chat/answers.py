"""What a chat answers, as it is told to machines; the answers themselves are written by `service`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from services.gateway.completions.answers import CompletionUsage

EXAMPLE: dict[str, Any] = {
    "id": "chatcmpl-0198c1e2",
    "object": "chat.completion",
    "created": 1753900000,
    "model": "gpt-4o-mini",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "从前…", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 21},
}


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

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: CompletionUsage | None
    system_fingerprint: str | None = None
    service_tier: str | None = None


class ChatDelta(BaseModel):
    """What a piece adds to a message; what a provider tells beside is passed on."""

    model_config = ConfigDict(extra="allow")
    role: Literal["assistant"] | None = None
    content: str | None = None


class ChatChunkChoice(BaseModel):
    """A piece of one answer; the last has its finish reason."""

    index: int
    delta: ChatDelta
    logprobs: dict[str, Any] | None
    finish_reason: str | None


class ChatChunk(BaseModel):
    """A piece of a chat that is told as it comes; its usage stands in the last one, where it was asked for."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: CompletionUsage | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
