"""A call that no run makes. It waits for no limit, as somebody waits for it. Its provider's limits are charged as it
leaves and, for the tokens that it turned out to have, when it is over, so that runs make room for it."""

from typing import Final

from services.workers.providers.rate_limits import RateLimits, provider_limits
from shared.outside.providers.configuration import Target

BYTES_PER_TOKEN: Final = 4
"""A low guess, as what is charged too much is not given back."""


class ChargedCall:
    """One call, made at most once."""

    def __init__(self, limits: RateLimits, target: Target, prompt_bytes: int) -> None:
        self._limits = limits
        self._target = target
        self._guessed_tokens = max(1, prompt_bytes // BYTES_PER_TOKEN)

    async def leave(self) -> None:
        """Charge the call, and the tokens that its prompt is guessed to have."""
        await self._limits.charge(provider_limits(self._target.provider, self._target.model, self._guessed_tokens))

    async def settle(self, used_tokens: int) -> None:
        """Charge the tokens that it had beyond the guess; 0 where nobody has told."""
        more = used_tokens - self._guessed_tokens
        limits = provider_limits(self._target.provider, self._target.model, max(1, more))
        await self._limits.charge([limit for limit in limits if limit.name == "tokens_per_minute" and more > 0])
