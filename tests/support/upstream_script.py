"""What a scripted provider does with one call: how fast it answers, what it says, how it fails."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TOKEN_CHARACTERS = 2


def prompt_of(body: dict[str, Any]) -> str:
    """Return the prompt of a completion, or the last message of a chat."""
    if "messages" in body:
        return str(body["messages"][-1].get("content", ""))
    return str(body.get("prompt", ""))


def story_for(body: dict[str, Any]) -> str:
    """Return the text that the upstream writes by default: the same for the same prompt."""
    digest = hashlib.sha256(prompt_of(body).encode()).hexdigest()[:12]
    return f"唐朝有一位少年🦸能与风说话，他遇见了奥特曼。二人并肩击退了怪兽，长安重归安宁。（{digest}）"


@dataclass(frozen=True)
class Script:
    """One behaviour. The default answers at once, with `story_for` the prompt."""

    text: str | Callable[[dict[str, Any]], str] = story_for
    delay_seconds: float = 0.0
    """Before the answer begins (before the status line)."""
    tokens_per_second: float | None = None
    """None: as fast as the socket takes them."""
    gate: asyncio.Event | None = None
    """The answer (or, in a stream, what follows `tokens_before_gate`) waits for it."""
    tokens_before_gate: int = 0
    status: int = 200
    error: dict[str, Any] | None = None
    """Inner error object; in a stream with status 200 it comes after `cut_after_tokens` tokens."""
    headers: dict[str, str] = field(default_factory=dict)
    cut_after_tokens: int | None = None
    """The socket is closed after so many tokens, in the middle of the body."""
    finish_reason: str | None = "stop"
    extra: dict[str, Any] | None = None
    """Further fields of the message or of the first delta (tool calls, refusal), or of a completion's choice."""
    raw_chunks: tuple[bytes, ...] | None = None
    """Sent as they are in place of a stream's events, also to a plain request if there is no `raw_body` for it."""
    raw_body: bytes | None = None
    """Sent as it is in place of a whole answer or an error's body, also to a streamed request if there are no
    `raw_chunks` for it."""
    content_type: str = "application/json"
    """Of `raw_body`."""
    holds_back: asyncio.Event | None = None
    """The end of `raw_chunks` does not come before it."""
    sends_usage: bool = True
    sends_done: bool = True

    def sends_raw_body(self, *, is_stream: bool) -> bool:
        """Say whether `raw_body` is the answer."""
        return self.raw_body is not None and (self.status != 200 or not is_stream or self.raw_chunks is None)

    def tokens_for(self, body: dict[str, Any]) -> tuple[list[str], str | None]:
        """Return tokens and finish reason, cut to the request's `max_tokens`."""
        text = self.text(body) if callable(self.text) else self.text
        tokens = [text[start : start + TOKEN_CHARACTERS] for start in range(0, len(text), TOKEN_CHARACTERS)]
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        if isinstance(limit, int) and limit < len(tokens):
            return tokens[:limit], "length"
        return tokens, self.finish_reason


FIRST_ANSWERS = (Script(),) * 5
"""Quick ones to begin with: a run's first call goes alone, and each success doubles what it may have under way."""


def rate_limited(retry_after_seconds: float = 0.05) -> Script:
    """A 429 with the header that OpenAI sends."""
    return Script(
        status=429,
        error={
            "message": "Rate limit reached",
            "type": "rate_limit_error",
            "param": None,
            "code": "rate_limit_exceeded",
        },
        headers={"retry-after-ms": str(int(retry_after_seconds * 1000))},
    )


def server_error(status: int = 500) -> Script:
    """A 5xx with OpenAI's body."""
    return Script(
        status=status, error={"message": "The server had an error", "type": "server_error", "param": None, "code": None}
    )


def bad_request(message: str = "max_tokens is too large") -> Script:
    """A 400 with OpenAI's body."""
    return Script(
        status=400,
        error={"message": message, "type": "invalid_request_error", "param": "max_tokens", "code": None},
    )
