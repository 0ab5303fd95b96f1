"""Tokens as the provider counted them, wherever it says so. What is no count, or cannot be one, is as if not said:
a client is told null then, and the books estimate."""

from dataclasses import dataclass
from typing import Any, Final

from shared.outside.providers.border.fields import find_object, find_whole

LARGEST_TOKEN_COUNT: Final = 2**31 - 1
"""What the columns hold; a provider that counts more, or less than nothing, is taken to have counted nothing."""
PROMPT_NAMES: Final = ("prompt_tokens", "input_tokens")
COMPLETION_NAMES: Final = ("completion_tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    """Of the prompt, those that the provider had in its cache and may charge less for."""


def find_usage(body: dict[str, Any], choice: dict[str, Any] | None) -> Usage | None:
    """Return the counts of an answer or chunk: its own, Groq's in a stream, or those of its choice (Moonshot)."""
    told = body.get("usage") or (choice.get("usage") if choice is not None else None)
    if told is None and "x_groq" in body:
        told = find_object(body, "x_groq").get("usage")
    return None if told is None else parse_usage(told)


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
    return None if completion is None else Usage(prompt, completion, min(read_cached_tokens(value), prompt))


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


def believe(usage: Usage | None, *, has_text: bool, may_be_prompt: bool) -> Usage | None:
    """Return the counts unless what was written belies them: a text of no tokens (`may_be_prompt`: an echoed prompt
    is one)."""
    if usage is None or usage.completion_tokens or not has_text or (may_be_prompt and usage.prompt_tokens):
        return usage
    return None
