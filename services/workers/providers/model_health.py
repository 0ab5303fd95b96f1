"""A provider as a call for one of its models sees it: what was said of this model alone counts for it alone."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from services.workers.providers.calls_under_way import LOST, SHORTEST_PROBE_SECONDS, CallUnderWay
from services.workers.providers.health import ProviderHealth
from services.workers.providers.verdict import EXCUSES, Standing, Verdict, VerdictFinder
from shared.outside.providers.border.stated_limits import names_model, read_limits
from shared.outside.providers.configuration import Provider
from shared.outside.providers.failures import FailureClass, LlmError


class ModelHealth:
    """One model of a provider, for as long as somebody calls it."""

    def __init__(self, whole: ProviderHealth, model: str) -> None:
        self.whole = whole
        self.model = model
        self._judge = whole.models.setdefault(model, VerdictFinder())

    @property
    def provider(self) -> Provider:
        """Whose model it is."""
        return self.whole.provider

    @property
    def standing(self) -> Standing:
        """How the provider stands; where it is well, how the model does."""
        standing = self.whole.standing
        return standing if standing.verdict is not Verdict.WELL else self._judge.standing

    @asynccontextmanager
    async def follow(self, way: str, grace_seconds: float | None = None) -> AsyncIterator[CallUnderWay]:
        """Count a call while it is under way; those that go the same `way` take about as long. Raises: LlmError
        (timeout) when it was a probe that took too long, the provider has forgotten it, or is down for longer than
        `grace_seconds` and does not answer."""
        standing, limit = self.whole.standing, None
        what = f"{self.model} {way}"
        if standing.verdict is Verdict.DOWN:
            limit = self.whole.calls.find_probe_limit(what, time.time() - standing.since)
            if limit is None and grace_seconds is not None:  # of a model that this process has never heard
                limit = max(SHORTEST_PROBE_SECONDS, grace_seconds)
        async with self.whole.calls.follow(what, limit, grace_seconds) as call:
            yield call

    def hear(self, error: LlmError | None, subject: str, begun_at: float) -> str | None:
        """Take in a call's outcome, as `ProviderHealth.hear` does."""
        now = time.time()
        if error is None:
            self._judge.hear_success(begun_at, now)
        elif self._is_about_the_model(error):
            self._judge.hear_failure(error, subject, begun_at, now)
            return self._judge.explains(error)
        excuse = self.whole.hear(error, subject, begun_at)
        is_lost = error is not None and error.code == LOST
        return EXCUSES[Verdict.DOWN] if is_lost else excuse

    def learn_limits(self, headers: Mapping[str, str]) -> None:
        """Note what an answer tells of the provider's limits."""
        if limits := read_limits(headers):
            self.whole.limits[self.model] = limits

    def _is_about_the_model(self, error: LlmError) -> bool:
        if error.failure_class is not FailureClass.RATE_LIMITED or self.whole.standing.verdict is not Verdict.WELL:
            return False
        return error.is_of_one_model or names_model(error.message, self.model)

    async def try_probe(self) -> bool:
        """As `ProviderHealth.try_probe`."""
        return await self.whole.try_probe()

    def give_up_probe(self) -> None:
        """As `ProviderHealth.give_up_probe`."""
        self.whole.give_up_probe()

    def try_again(self, after_seconds: float) -> bool:
        """As `ProviderHealth.try_again`."""
        return self.whole.try_again(after_seconds)

    async def has_answered_lately(self) -> bool:
        """As `ProviderHealth.has_answered_lately`."""
        return await self.whole.has_answered_lately()
