"""The choices of a whole answer in OpenAI's shapes: of texts that a client waits for, and of a batch's lines."""

from collections.abc import Mapping
from typing import Any, Final

NOT_CONTENT: Final = frozenset({"tool_calls", "function_call", "refusal"})
"""What a message may say in place of a content."""


def shape_chat_choice(
    index: int, text: str | None, beside: Mapping[str, Any], finish_reason: str | None
) -> dict[str, Any]:
    """Return one choice of a chat: its content is null when the model only called tools, or refused. `beside`: the
    message's fields beside role and content, and `logprobs`."""
    extra = dict(beside)
    logprobs = extra.pop("logprobs", None)
    content = text if text or NOT_CONTENT.isdisjoint(extra) else None
    message = {"role": "assistant", "content": content, "refusal": None, **extra}
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish_reason}


def shape_text_choice(
    index: int, text: str | None, beside: Mapping[str, Any], finish_reason: str | None
) -> dict[str, Any]:
    """Return one choice of a completion."""
    return {"text": text, "index": index, "logprobs": beside.get("logprobs"), "finish_reason": finish_reason}
