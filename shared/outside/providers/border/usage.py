"""Tokens as the provider counted them, wherever it says so. What is no count, or cannot be one, is as if not said:
a client is told null then, and the books estimate."""

from dataclasses import dataclass, field
from typing import Any, Final

from shared.outside.providers.border.fields import find_object, find_whole

LARGEST_TOKEN_COUNT: Final = 2**31 - 1
"""What the columns hold; a provider that counts more, or less than nothing, is taken to have counted nothing."""
PROMPT_NAMES: Final = ("prompt_tokens", "input_tokens")
COMPLETION_NAMES: Final = ("completion_tokens", "output_tokens")
DETAILS: Final = {
    "prompt_tokens_details": ("prompt_tokens_details", "input_tokens_details"),
    "completion_tokens_details": ("completion_tokens_details", "output_tokens_details"),
}
"""OpenAI's name in chats for the parts of a count, and the names under which providers send them."""
MOST_DETAILS: Final = 16
LONGEST_DETAIL_CHARACTERS: Final = 64


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    """Of the prompt, those that the provider had in its cache and may charge less for."""
    details: dict[str, dict[str, int]] = field(default_factory=dict)
    """The parts of the counts that the provider told, as a chat's usage holds them; nothing that it did not tell."""


def find_usage(body: dict[str, Any], choice: dict[str, Any] | None) -> Usage | None:
    """Return the counts of an answer or chunk: its own, Groq's in a stream, or those of its choice (Moonshot)."""
    told = body.get("usage") or (choice.get("usage") if choice is not None else None)
    if told is None and "x_groq" in body:
        told = find_object(body, "x_groq").get("usage")
    return None if told is None else parse_usage(told)


def find_text_usage(body: dict[str, Any]) -> Usage | None:
    """Return the counts of an answer for which nothing was written: its texts are all there is, whether they are called
    the prompt or, by some, the total."""
    counted = read_count(find_object(body, "usage"), (*PROMPT_NAMES, "total_tokens"))
    return find_usage(body, None) or (None if counted is None else Usage(counted, 0))


def parse_usage(value: object) -> Usage | None:
    """Return token counts if both are there, or follow from the sum, and are sane; they may be texts or floats."""
    if not isinstance(value, dict):
        return None
    prompt = read_count(value, PROMPT_NAMES)
    if prompt is None:
        return None
    if any(value.get(name) is not None for name in COMPLETION_NAMES):
        completion = read_count(value, COMPLETION_NAMES)
    else:  # the legacy completions of OpenAI leave out a count of nothing
        total = read_count(value, ("total_tokens",))
        completion = max(total - prompt, 0) if total is not None else None
    if completion is None:
        return None
    return Usage(prompt, completion, min(read_cached_tokens(value), prompt), read_details(value, prompt))


def read_count(usage: dict[str, Any], names: tuple[str, ...]) -> int | None:
    """Return the count under the first of `names` that is there."""
    for name in names:
        if usage.get(name) is not None:
            return find_whole(usage, name, LARGEST_TOKEN_COUNT)
    return None


def read_cached_tokens(usage: dict[str, Any]) -> int:
    """Return the prompt's cached tokens, 0 where the provider does not say."""
    details = find_object(usage, "prompt_tokens_details") or find_object(usage, "input_tokens_details")
    told = find_whole(details, "cached_tokens", LARGEST_TOKEN_COUNT)
    return told or find_whole(usage, "prompt_cache_hit_tokens", LARGEST_TOKEN_COUNT) or 0


def read_details(usage: dict[str, Any], prompt_tokens: int) -> dict[str, dict[str, int]]:
    """Return what the provider says of the parts of its counts (cached, reasoning, audio …), whole numbers only. No
    part of the prompt is more than the prompt; what was thought is beside the completion for some."""
    details: dict[str, dict[str, int]] = {}
    for name, spellings in DETAILS.items():
        told = next((found for spelling in spellings if (found := find_object(usage, spelling))), {})
        names = [part for part in told if len(part) <= LONGEST_DETAIL_CHARACTERS][:MOST_DETAILS]
        counts = {part: find_whole(told, part, LARGEST_TOKEN_COUNT) for part in names}
        if known := {part: count for part, count in counts.items() if count is not None}:
            details[name] = known
    hits = find_whole(usage, "prompt_cache_hit_tokens", LARGEST_TOKEN_COUNT)
    if hits is not None:  # DeepSeek's word
        details["prompt_tokens_details"] = {"cached_tokens": hits, **details.get("prompt_tokens_details", {})}
    if parts := details.get("prompt_tokens_details"):
        details["prompt_tokens_details"] = {part: min(count, prompt_tokens) for part, count in parts.items()}
    return details


def believe(usage: Usage | None, *, has_text: bool, may_be_prompt: bool) -> Usage | None:
    """Return the counts unless what was written belies them: a text of no tokens (`may_be_prompt`: an echoed prompt
    is one)."""
    if usage is None or usage.completion_tokens or not has_text or (may_be_prompt and usage.prompt_tokens):
        return usage
    return None
