"""What a provider answered, in our words: whole answers, and the chunks of a stream."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from shared.contracts.storable import cut_optional_text
from shared.outside.providers.border.fields import LONGEST_NAME_CHARACTERS, spell_field, spell_value
from shared.outside.providers.border.http_errors import error_from_body, find_message
from shared.outside.providers.border.messages import is_nothing, join_parts, split_message
from shared.outside.providers.border.usage import Usage, find_usage
from shared.outside.providers.failures import FailureClass, LlmError
from shared.texts.finish_reasons import Ending, find_ending, name_reason, says_nothing

Kind = Literal["completion", "chat"]
ResultKind = Literal["embedding", "moderation"]
"""Of calls that answer with an object and no text."""

TOLD: Final = ("system_fingerprint", "service_tier")
LONGEST_FINISH_REASON_CHARACTERS: Final = 32
"""What rows keep of it."""
WRAPPERS: Final = ("result", "data", "output", "response")
"""Of gateways that put their own envelope around an answer (Cloudflare, DashScope's own form, in-house ones)."""
NATIVE_MATTERS: Final = frozenset({Ending.FAILED, Ending.FILTERED, Ending.LENGTH})
"""What a router's word for a whole text may hide: `native_finish_reason` says what the provider behind it said."""


@dataclass(frozen=True, slots=True)
class LlmAnswer:
    """A whole answer of one choice."""

    text: str
    finish_reason: str | None
    """OpenAI's word where the provider's is known, else the provider's, cut."""
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
    broken: LlmError | None = None
    """The provider's own word that it broke off: the text is a part of one, and may be charged."""

    @property
    def has_usage(self) -> bool:
        """Whether the provider counted the tokens."""
        return self.prompt_tokens is not None and self.completion_tokens is not None

    def failure_class(self) -> FailureClass | None:
        """Say why the text is no good as a story, if so. Interactive callers pass it on all the same."""
        if self.broken is not None:
            return self.broken.failure_class
        if self.finish_reason == Ending.FILTERED:
            return FailureClass.CONTENT_FILTER
        if self.extra and self.extra.get("refusal"):
            return FailureClass.REFUSAL
        if self.finish_reason == Ending.LENGTH:
            return FailureClass.TRUNCATED
        has_text = bool(self.text.strip())
        if self._calls_tools(has_text=has_text):
            return FailureClass.TOOL_CALLS
        return None if has_text else FailureClass.EMPTY

    def _calls_tools(self, *, has_text: bool) -> bool:
        """Say whether the answer waits for a tool: what it says beside that is no story."""
        has_calls = bool(self.extra and (self.extra.get("tool_calls") or self.extra.get("function_call")))
        return has_calls and (not has_text or self.finish_reason in {Ending.TOOL_CALLS, "function_call"})


@dataclass(frozen=True, slots=True)
class LlmDelta:
    """One chunk of a stream."""

    text: str = ""
    extra: dict[str, Any] | None = None
    """The choice delta's fields beside role and content that say anything, plus the choice's `logprobs`."""
    finish_reason: str | None = None
    """As in `LlmAnswer`."""
    usage: Usage | None = None
    model: str | None = None


@dataclass(slots=True)
class Said:
    """What one JSON object of a provider says, as it came: not joined with the one before, and not storable where the
    object was not. Not frozen: making one is a part of what each chunk of each stream costs."""

    text: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    usage: Usage | None = None
    model: str | None = None
    has_choice: bool = False
    is_whole: bool = False
    """It is a chat's whole message, not a chunk of one."""
    is_chunk: bool = False
    """It has a delta."""
    error: LlmError | None = None
    """The choice broke off, and this is what is said of it."""
    words: str | None = None
    """An object without choices that says why."""
    told: dict[str, str] | None = None
    """What it says of itself: `system_fingerprint`, `service_tier`."""


def read_said(kind: Kind, body: dict[str, Any], headers: Mapping[str, str]) -> Said:
    """Read an answer or a chunk. Raises: LlmError (malformed, or what its error object says)."""
    if body.get("error") and not _is_blank(body["error"]):
        raise error_from_body(200, body, headers)
    choice = _first_choice(body)
    if choice is None and (inner := _find_wrapped(body)) is not None:
        return read_said(kind, inner, headers)
    usage, model = find_usage(body, choice), spell_field(body, "model", LONGEST_NAME_CHARACTERS)
    told = find_told(body)
    if choice is None:
        return Said(usage=usage, model=model, words=_find_words(body), told=told)
    text, extra, is_whole = _read_choice(kind, choice)
    reason = read_reason(choice)
    error = _find_choice_error(choice, reason, headers)
    is_chunk = choice.get("delta") is not None
    return Said(text, extra, reason, usage, model, True, is_whole, is_chunk, error, told=told)


def find_told(body: Mapping[str, Any]) -> dict[str, str] | None:
    """Return what an answer or chunk says of itself beside its choices, for clients to read."""
    if body.get("system_fingerprint") is None and body.get("service_tier") is None:
        return None
    found = {name: spell_field(body, name, LONGEST_NAME_CHARACTERS) for name in TOLD}
    return {name: value for name, value in found.items() if value is not None} or None


def read_reason(choice: Mapping[str, Any]) -> str | None:
    """Return why a choice ended, None while it has not: in OpenAI's word where it is known, cut to what rows hold."""
    reason, native = choice.get("finish_reason"), choice.get("native_finish_reason")
    if reason is None and native is None:  # every chunk but the last
        return None
    reason, native = _spell_reason(reason), _spell_reason(native)
    if native is not None and find_ending(native) in NATIVE_MATTERS and find_ending(reason or "stop") is Ending.STOP:
        return find_ending(native).value
    return reason


def _spell_reason(value: Any) -> str | None:
    if type(value) is not str:
        if isinstance(value, dict):  # SGLang's own: {"type": "stop", "matched": 2}
            value = value.get("type") or value.get("reason") or value
        value = spell_value(value, LONGEST_NAME_CHARACTERS)
    if value is None or says_nothing(value):
        return None
    return cut_optional_text(name_reason(value), LONGEST_FINISH_REASON_CHARACTERS)


def _first_choice(body: dict[str, Any]) -> dict[str, Any] | None:
    choices = body.get("choices")
    if isinstance(choices, dict):
        return choices
    if not isinstance(choices, list) or not choices:
        return None
    if isinstance(choices[0], dict):
        return choices[0]
    return next((choice for choice in choices if isinstance(choice, dict)), None)


def _is_blank(error: Any) -> bool:
    """Say whether an error object says nothing, as servers send it whose answers always have the field."""
    return isinstance(error, dict) and not any(error.values())


def _find_wrapped(body: dict[str, Any]) -> dict[str, Any] | None:
    """Return an answer that stands inside another object, with what that one tells beside it."""
    for name in WRAPPERS:
        inner = body.get(name)
        if isinstance(inner, dict) and inner.get("choices"):
            return {**{key: value for key, value in body.items() if key != name}, **inner}
    return None


def _read_choice(kind: Kind, choice: dict[str, Any]) -> tuple[str, dict[str, Any], bool]:
    """Return a choice's text, what stands beside it, and whether it is a whole answer's."""
    text, extra, is_whole = "", dict[str, Any](), False
    if kind == "completion" and choice.get("text") is not None:
        text, thinking = join_parts(choice["text"])
        extra = {"reasoning_content": thinking} if thinking else {}
    else:
        delta, message = _find_holder(choice, "delta"), _find_holder(choice, "message")
        if delta:
            text, extra = split_message(delta)
        if message is not None and not text and not extra:  # Perplexity sends both, one of them without words
            (text, extra), is_whole = split_message(message), True
        if delta is None and message is None:
            text, _ = join_parts(choice.get("text"))
    if not is_nothing(choice.get("logprobs")):
        extra["logprobs"] = choice["logprobs"]
    return text, extra, is_whole


def _find_holder(choice: dict[str, Any], name: str) -> dict[str, Any] | None:
    value = choice.get(name)
    if value is not None and not isinstance(value, dict):
        raise LlmError(FailureClass.MALFORMED, f"the {name} of the provider's answer is not an object")
    return value


def _find_choice_error(choice: dict[str, Any], reason: str | None, headers: Mapping[str, str]) -> LlmError | None:
    if choice.get("error"):
        return error_from_body(200, {"error": choice["error"]}, headers)
    if reason is None or find_ending(reason) is not Ending.FAILED:
        return None
    told = [spell_field(choice, name, LONGEST_NAME_CHARACTERS) for name in ("native_finish_reason", "finish_reason")]
    words = next(word for word in (*told, reason) if word)
    return error_from_body(200, {"error": {"message": f"it broke off: {words}"}}, headers)


def _find_words(body: dict[str, Any]) -> str | None:
    """Return what an object that is no answer says in its place."""
    inner = body.get("base_resp") if isinstance(body.get("base_resp"), dict) else body  # MiniMax
    names = ("status_msg", "message", "msg", "detail", "reason", "error_msg", "errorMessage")
    told = next((inner[name] for name in names if inner.get(name)), None) if isinstance(inner, dict) else None
    return None if told is None else find_message({"message": told}, {})


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the provider's id of the call, storable: header bytes that are no text come as lone surrogates."""
    return cut_optional_text(headers.get("x-request-id") or headers.get("request-id"), LONGEST_NAME_CHARACTERS)
