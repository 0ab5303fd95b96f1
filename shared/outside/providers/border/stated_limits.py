"""What answers tell of the provider's limits: how many requests and tokens it allows, and whether a refusal is about
one model or the whole key."""

import re
from collections.abc import Mapping
from typing import Any, Final

from shared.outside.providers.border.fields import spell_value

NAMES: Final = {
    "x-ratelimit-limit-requests": "requests",
    "anthropic-ratelimit-requests-limit": "requests",
    "x-ratelimit-limit-tokens": "tokens",
    "anthropic-ratelimit-tokens-limit": "tokens",
    "x-ratelimit-limit-tokens-minute": "tokens",
}
"""As OpenAI, Groq, Together, Azure; Anthropic; Cerebras and Mistral call them. Of which time tells no header."""
MOST: Final = 10**12
ONE_MODEL: Final = re.compile(
    r"(?:this|per|the|requested) model\b|per[-_ ]?model|quotadimensions\W+model|this deployment"
    r"|temporarily rate-limited upstream",
    re.IGNORECASE,
)
"""`Service tier capacity exceeded for this model.` (Mistral), `GenerateRequestsPerDayPerProjectPerModel` (Gemini),
`qwen/qwen3:free is temporarily rate-limited upstream` (OpenRouter)."""
READ_CHARACTERS: Final = 4_000


def read_limits(headers: Mapping[str, str]) -> dict[str, int]:
    """Return the limits that an answer's head tells, empty when it tells none."""
    told = {ours: headers[theirs] for theirs, ours in NAMES.items() if theirs in headers}
    return {
        name: int(value) for name, value in told.items() if value.isascii() and value.isdigit() and int(value) < MOST
    }


def speaks_of_one_model(inner: Mapping[str, Any], message: str) -> bool:
    """Say whether a refusal is about a model, and not about the key. That it names the model, the caller sees."""
    beside = " ".join(spell_value(inner.get(name), READ_CHARACTERS) or "" for name in ("details", "metadata"))
    return ONE_MODEL.search(f"{message} {beside}", 0, READ_CHARACTERS) is not None


def names_model(message: str, model: str) -> bool:
    """Say whether words name a model, with or without its maker (`openai/gpt-4o`)."""
    names = {model, model.rpartition("/")[2]} - {""}
    return any(re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", message) for name in names)
