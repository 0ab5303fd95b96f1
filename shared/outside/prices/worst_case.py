"""The most that one call can cost: what is reserved before it leaves, so that a budget holds through any crash."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from shared.outside.prices.inference import PriceQuote
from shared.outside.providers.border.answers import Kind

MESSAGE_OVERHEAD_TOKENS: Final = 16
"""Role and frame tokens of a one-message chat, generously."""
COMPLETION_DEFAULT_MAX_TOKENS: Final = 16
"""What `/completions` writes at most when the request does not say."""
MOST_TOKENS: Final = 10_000_000
"""No answer is longer, whatever limit a request names: what is reserved for it must fit the books."""


def find_max_tokens(kind: Kind, parameters: Mapping[str, Any]) -> int | None:
    """Return how many tokens the answer can have; None when nothing limits it (a chat without `max_tokens`)."""
    for name in ("max_completion_tokens", "max_tokens"):
        value = parameters.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return min(max(value, 0), MOST_TOKENS)
    return COMPLETION_DEFAULT_MAX_TOKENS if kind == "completion" else None


def bound_prompt_tokens(prompt: str) -> int:
    """Return more tokens than any byte-level tokenizer makes of `prompt`: one a byte."""
    return len(prompt.encode()) + MESSAGE_OVERHEAD_TOKENS


def worst_case_usd(quote: PriceQuote, prompt: str, max_tokens: int | None) -> Decimal | None:
    """Return the upper bound of a call's cost; None when there is no price or no limit to the answer."""
    return quote.cost(bound_prompt_tokens(prompt), max_tokens)
