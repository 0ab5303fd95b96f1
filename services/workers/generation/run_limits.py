"""The limits that a run's calls come under: its own and its provider's, reserved batch by batch."""

from services.workers.generation.run import Run
from services.workers.generation.story_call import CallResult
from services.workers.generation.token_estimate import TokenEstimate
from services.workers.providers.rate_limits import Grant, RateLimit, RateLimits, build_limits, provider_limits
from shared.stores.db.repositories.generation_progress import RunState

BOUND_PROMPT_BYTES = 2_000
"""Taken as a prompt's size until the first calls have told theirs."""


class RunLimits:
    """Reserves calls of one run. Knows no rows."""

    def __init__(self, limits: RateLimits, run: Run) -> None:
        self._limits = limits
        self._run = run
        self._estimate = TokenEstimate(run.bound_tokens("x" * BOUND_PROMPT_BYTES))
        self._unsettled_tokens = 0
        self.active: list[RateLimit] = []

    def configure(self, state: RunState) -> None:
        """Take in the run's limits as they stand now."""
        target, tokens = self._run.target, self._estimate.tokens
        self.active = [
            *build_limits(self._run.order.id, state.requests_per_minute, state.tokens_per_minute, tokens),
            *provider_limits(target.provider, target.model, tokens),
        ]

    async def reserve(self, rows: int) -> Grant:
        """Reserve up to `rows` calls."""
        return await self._limits.reserve(self.active, rows)

    async def give_back(self, rows: int) -> None:
        """Return permits for calls that were not made."""
        await self._limits.adjust(self.active, [-rows * limit.units_per_row for limit in self.active])

    def learn(self, result: CallResult) -> None:
        """Note how many tokens a call really used."""
        answer = result.answer
        if answer is None or answer.prompt_tokens is None:
            return
        used = answer.prompt_tokens + (answer.completion_tokens or 0)
        self._unsettled_tokens += used - self._estimate.tokens
        self._estimate.learn(used)

    async def reconcile(self) -> None:
        """Put the difference between estimates and real usage right."""
        difference, self._unsettled_tokens = self._unsettled_tokens, 0
        is_tokens = [limit.name == "tokens_per_minute" for limit in self.active]
        if any(is_tokens):
            await self._limits.adjust(self.active, [difference if tokens else 0 for tokens in is_tokens])
