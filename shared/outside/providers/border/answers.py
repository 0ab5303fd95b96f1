"""What a provider answered, in our words; and the reading of OpenAI's JSON shapes into it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from shared.contracts.storable import cut_optional_text, make_storable_json
from shared.outside.providers.border.fields import LONGEST_NAME_CHARACTERS, find_object, find_whole, spell_field
from shared.outside.providers.border.http_errors import error_from_body
from shared.outside.providers.border.json_values import (
    NotStrictJsonError,
    read_object,
    read_odd_json,
    read_strict_object,
    require_object,
)
from shared.outside.providers.failures import FailureClass, LlmError

Kind = Literal["completion", "chat"]

MESSAGE_TEXT_FIELDS = frozenset({"role", "content"})
LONGEST_FINISH_REASON_CHARACTERS: Final = 32
"""What rows keep of it."""
LARGEST_TOKEN_COUNT: Final = 2**31 - 1
"""What the columns hold; a provider that counts more, or less than nothing, is taken to have counted nothing."""


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
    """As they came, for who looks into them; not to be stored."""
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
    has_halves: bool = False
    """The text is as it came: it may begin or end with half a character, and is not storable before it is joined."""


def parse_answer(kind: Kind, raw: bytes, headers: Mapping[str, str]) -> LlmAnswer:
    """Read a non-streamed answer, whatever it is. Raises: LlmError (malformed, or what its error object says)."""
    body = read_object(raw)
    if body.get("error"):
        raise error_from_body(200, body, headers)
    choice = _first_choice(body)
    if choice is None:
        raise LlmError(FailureClass.MALFORMED, "the provider's answer has no choices", request_id=request_id(headers))
    text, extra = _text_and_extra(kind, choice, "message")
    usage = parse_usage(body.get("usage"))
    return LlmAnswer(
        text,
        spell_field(choice, "finish_reason", LONGEST_FINISH_REASON_CHARACTERS),
        usage.prompt_tokens if usage else None,
        usage.completion_tokens if usage else None,
        spell_field(body, "model", LONGEST_NAME_CHARACTERS),
        request_id(headers),
        headers,
        extra,
        usage.cached_tokens if usage else 0,
    )


def parse_chunk(kind: Kind, raw: bytes, headers: Mapping[str, str], *, is_error: bool = False) -> LlmDelta:
    """Read one chunk of a stream, which may hold usage only. Its text may begin or end with half a surrogate pair:
    join it with the next (`TextJoiner`); all else is storable. `is_error`: the event's name says that it is one.
    Raises: LlmError (malformed, or what its error object says)."""
    try:
        body = read_strict_object(raw)
    except NotStrictJsonError:
        return _parse_odd_chunk(kind, raw, headers, is_error=is_error)
    if is_error or body.get("error"):
        raise error_from_body(200, body, headers)
    return parse_delta(kind, body)


def _parse_odd_chunk(kind: Kind, raw: bytes, headers: Mapping[str, str], *, is_error: bool) -> LlmDelta:
    as_it_came = read_odd_json(raw, what="chunk")
    body = require_object(make_storable_json(as_it_came), what="chunk")
    if is_error or body.get("error"):
        raise error_from_body(200, body, headers)
    delta, choice = parse_delta(kind, body), _first_choice(as_it_came)
    return delta if choice is None else replace(delta, text=_text_and_extra(kind, choice, "delta")[0], has_halves=True)


def parse_delta(kind: Kind, body: dict[str, Any]) -> LlmDelta:
    """Read the storable body of a chunk. Raises: LlmError (malformed)."""
    usage = parse_usage(body.get("usage"))
    model = spell_field(body, "model", LONGEST_NAME_CHARACTERS)
    choice = _first_choice(body)
    if choice is None:
        return LlmDelta(usage=usage, model=model)
    text, extra = _text_and_extra(kind, choice, "delta")
    reason = spell_field(choice, "finish_reason", LONGEST_FINISH_REASON_CHARACTERS)
    return LlmDelta(text, extra, reason, usage, model)


def _first_choice(body: dict[str, Any]) -> dict[str, Any] | None:
    choices = body.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    return None


def _text_and_extra(kind: Kind, choice: dict[str, Any], holder: str) -> tuple[str, dict[str, Any] | None]:
    extra: dict[str, Any] = {}
    if kind == "chat":
        message = choice.get(holder)
        if message is not None and not isinstance(message, dict):
            raise LlmError(FailureClass.MALFORMED, f"the {holder} of the provider's answer is not an object")
        message = message or {}
        text = _join_text(message.get("content"))
        extra = {key: value for key, value in message.items() if key not in MESSAGE_TEXT_FIELDS and value is not None}
    else:
        text = _join_text(choice.get("text"))
    if choice.get("logprobs") is not None:
        extra["logprobs"] = choice["logprobs"]
    return text, extra or None


def _join_text(content: object) -> str:
    """Return the text of an answer, told as one string or as a list of parts. Raises: LlmError (malformed)."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if not isinstance(content, list):
        raise LlmError(FailureClass.MALFORMED, "the provider's text is not a string")
    texts = (part if isinstance(part, str) else part.get("text") for part in content if isinstance(part, str | dict))
    return "".join(text for text in texts if isinstance(text, str))


def parse_usage(value: object) -> Usage | None:
    """Return token counts if both are there and sane; they may be told as texts or floats."""
    if not isinstance(value, dict):
        return None
    prompt = find_whole(value, "prompt_tokens", LARGEST_TOKEN_COUNT)
    has_completion = "completion_tokens" in value
    completion = find_whole(value, "completion_tokens", LARGEST_TOKEN_COUNT) if has_completion else 0
    if prompt is None or completion is None:
        return None
    return Usage(prompt, completion, min(read_cached_tokens(value), prompt))


def read_cached_tokens(usage: dict[str, Any]) -> int:
    """Return the prompt's cached tokens, 0 where the provider does not say."""
    return find_whole(find_object(usage, "prompt_tokens_details"), "cached_tokens", LARGEST_TOKEN_COUNT) or 0


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the provider's id of the call, storable: header bytes that are no text come as lone surrogates."""
    return cut_optional_text(headers.get("x-request-id") or headers.get("request-id"), LONGEST_NAME_CHARACTERS)
