"""What a provider answered, in our words; and the reading of OpenAI's JSON shapes into it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from shared.outside.providers.failures import FailureClass, LlmError
from shared.outside.providers.http_errors import error_from_body

Kind = Literal["completion", "chat"]

MESSAGE_TEXT_FIELDS = frozenset({"role", "content"})


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    """Of the prompt, those that the provider had in its cache and may charge less for."""


@dataclass(frozen=True, slots=True)
class LlmAnswer:
    """A whole answer of one choice."""

    text: str
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    model: str | None
    """The model that the provider says it used."""
    request_id: str | None
    headers: Mapping[str, str] = field(repr=False)
    extra: dict[str, Any] | None = None
    """Tool calls, refusal, log probabilities: the message's fields beside role and content, plus `logprobs`."""
    cached_tokens: int = 0

    def failure_class(self) -> FailureClass | None:
        """Say why the text is no good as a story, if so. Interactive callers pass it on all the same."""
        if self.finish_reason == "content_filter":
            return FailureClass.CONTENT_FILTER
        if self.extra and self.extra.get("refusal"):
            return FailureClass.REFUSAL
        if self.finish_reason == "length":
            return FailureClass.TRUNCATED
        return FailureClass.EMPTY if not self.text.strip() and not self.extra else None


@dataclass(frozen=True, slots=True)
class LlmDelta:
    """One chunk of a stream."""

    text: str = ""
    extra: dict[str, Any] | None = None
    """The raw choice delta's fields beside role and content, plus the choice's `logprobs`."""
    finish_reason: str | None = None
    usage: Usage | None = None
    model: str | None = None


def parse_json(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in `raw`. Raises: LlmError (malformed)."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise LlmError(FailureClass.MALFORMED, f"the provider's answer is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise LlmError(FailureClass.MALFORMED, "the provider's answer is not a JSON object")
    return value


def parse_answer(kind: Kind, raw: bytes, headers: Mapping[str, str]) -> LlmAnswer:
    """Read a non-streamed answer. Raises: LlmError (malformed, or what its error object says)."""
    body = parse_json(raw)
    if body.get("error"):
        raise error_from_body(200, body, headers)
    choice = _first_choice(body)
    if choice is None:
        raise LlmError(FailureClass.MALFORMED, "the provider's answer has no choices", request_id=request_id(headers))
    text, extra = _text_and_extra(kind, choice, "message")
    usage = parse_usage(body.get("usage"))
    return LlmAnswer(
        text,
        choice.get("finish_reason"),
        usage.prompt_tokens if usage else None,
        usage.completion_tokens if usage else None,
        body.get("model"),
        request_id(headers),
        headers,
        extra,
        usage.cached_tokens if usage else 0,
    )


def parse_delta(kind: Kind, body: dict[str, Any]) -> LlmDelta:
    """Read one chunk of a stream (which may hold usage only)."""
    usage = parse_usage(body.get("usage"))
    choice = _first_choice(body)
    if choice is None:
        return LlmDelta(usage=usage, model=body.get("model"))
    text, extra = _text_and_extra(kind, choice, "delta")
    return LlmDelta(text, extra, choice.get("finish_reason"), usage, body.get("model"))


def _first_choice(body: dict[str, Any]) -> dict[str, Any] | None:
    choices = body.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    return None


def _text_and_extra(kind: Kind, choice: dict[str, Any], holder: str) -> tuple[str, dict[str, Any] | None]:
    extra: dict[str, Any] = {}
    if kind == "chat":
        message = choice.get(holder) or {}
        text = message.get("content") or ""
        extra = {key: value for key, value in message.items() if key not in MESSAGE_TEXT_FIELDS and value is not None}
    else:
        text = choice.get("text") or ""
    if choice.get("logprobs") is not None:
        extra["logprobs"] = choice["logprobs"]
    if not isinstance(text, str):
        raise LlmError(FailureClass.MALFORMED, "the provider's text is not a string")
    return text, extra or None


def parse_usage(value: object) -> Usage | None:
    """Return token counts if both are there and sane."""
    if not isinstance(value, dict):
        return None
    prompt, completion = value.get("prompt_tokens"), value.get("completion_tokens", 0)
    if isinstance(prompt, int) and isinstance(completion, int) and prompt >= 0 and completion >= 0:
        return Usage(prompt, completion, min(read_cached_tokens(value), prompt))
    return None


def read_cached_tokens(usage: dict[str, Any]) -> int:
    """Return the prompt's cached tokens, 0 where the provider does not say."""
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return cached if isinstance(cached, int) and cached > 0 else 0


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the provider's id of the call."""
    return headers.get("x-request-id") or headers.get("request-id")
