"""A call that no run makes. It waits for no limit, as somebody waits for it. Its provider's limits are charged as it
leaves and, for the tokens that it turned out to have, when it is over, so that runs make room for it."""

from collections.abc import Callable
from typing import Final

from services.workers.providers.rate_limits import RateLimit, RateLimits, provider_limits
from shared.outside.providers.configuration import Target

BYTES_PER_TOKEN: Final = 4
"""A low guess, as what is charged too much is not given back."""


class ChargedCall:
    """One call, made at most once. `count_prompt_bytes` is asked only where the provider has limits."""

    def __init__(self, limits: RateLimits, target: Target, count_prompt_bytes: Callable[[], int]) -> None:
        self._limits = limits
        self._target = target
        self._count_prompt_bytes = count_prompt_bytes
        self._guessed_tokens = 1

    async def leave(self) -> None:
        """Charge the call, and the tokens that its prompt is guessed to have."""
        if self._build_limits(1):
            self._guessed_tokens = max(1, self._count_prompt_bytes() // BYTES_PER_TOKEN)
            await self._limits.charge(self._build_limits(self._guessed_tokens))

    async def settle(self, used_tokens: int) -> None:
        """Charge the tokens that it had beyond the guess; 0 where nobody has told."""
        more = used_tokens - self._guessed_tokens
        if more > 0:
            by_tokens = [limit for limit in self._build_limits(more) if limit.name == "tokens_per_minute"]
            await self._limits.charge(by_tokens)

    def _build_limits(self, tokens: int) -> list[RateLimit]:
        return provider_limits(self._target.provider, self._target.model, tokens)
