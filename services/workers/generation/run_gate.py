"""Whether, and how many, calls of a run may be made now: by the verdict on its provider, and by what the run itself has
shown. Every result comes back here, before its row is settled."""

import time
from dataclasses import dataclass
from typing import Final

from services.workers.generation.bottleneck import Cause
from services.workers.generation.first_calls import ASK_AGAIN_SECONDS, FirstCalls
from services.workers.generation.pausing import Pause, pause_for_refusal, pause_for_verdict
from services.workers.generation.run_trust import RunTrust
from services.workers.process.settings import WorkerSettings
from services.workers.providers.model_health import ModelHealth
from services.workers.providers.verdict import LONGEST_WORDS_CHARACTERS, Verdict
from shared.contracts.storable import cut_text
from shared.outside.providers.failures import LlmError

LOOK_AGAIN_SECONDS: Final = 0.02
PROBE_TURN_SECONDS: Final = 0.1
NEEDS_PEOPLE: Final = (Verdict.NO_CREDIT, Verdict.KEY_REFUSED)


@dataclass(frozen=True, slots=True)
class Admission:
    """So many rows, or why none."""

    rows: int = 0
    cause: Cause = Cause.UPSTREAM_LATENCY
    wait_seconds: float = 0.0
    pause: Pause | None = None


class RunGate:
    """One run's door to its provider."""

    def __init__(self, health: ModelHealth, trust: RunTrust, first_calls: FirstCalls, settings: WorkerSettings) -> None:
        self.health = health
        self.trust = trust
        self.first_calls = first_calls
        self._settings = settings
        self._own_words: str | None = None
        self._is_probing = False

    @property
    def is_down(self) -> bool:
        """Whether nothing but a probe may leave."""
        return self.health.standing.verdict is Verdict.DOWN

    async def admit(self, wanted: int, under_way: int) -> Admission:
        """Return how many of `wanted` calls may be made while so many are under way. One admitted to a provider that
        is down is its probe: it must be made, or `give_up`."""
        if self.trust.recipe_is_refused:
            return Admission(pause=pause_for_refusal(self._own_words))
        standing = self.health.standing
        if standing.verdict in NEEDS_PEOPLE and self.trust.has_tried:
            return self._pause()
        if standing.verdict is Verdict.SILENT:
            silence = standing.waits_seconds(time.time())
            is_long = silence > self._settings.longest_silence_seconds
            if is_long and self.trust.has_tried:
                return self._pause()
            if silence and not is_long:
                return Admission(cause=Cause.UPSTREAM_REFUSALS, wait_seconds=silence)
        if self.is_down:
            return await self._admit_probe()
        return await self._admit_window(wanted, under_way)

    def take_answer(self, fault: LlmError | None, begun_at: float) -> None:
        """Learn from an answer; `fault`: why there is no story in it, which is no matter of the provider's health."""
        self._is_probing = self._is_probing and begun_at < self.health.standing.since
        self.health.hear(None, "", begun_at)
        self.trust.has_tried = True
        if fault is None:
            self.trust.take_success()

    def take_failure(self, error: LlmError, subject: str, begun_at: float) -> str | None:
        """Learn from a failed call; return how the books call it if it is not its row's, None if it is."""
        self._is_probing = self._is_probing and begun_at < self.health.standing.since
        explained = self.health.hear(error, subject, begun_at)
        excuse = explained or self.trust.take_failure(error)
        self.trust.has_tried = True
        if excuse is not None:
            self._own_words = cut_text(error.message, LONGEST_WORDS_CHARACTERS)
        return excuse

    def give_up(self) -> None:
        """Take back a probe of which nothing came that says how the provider is."""
        if self._is_probing:
            self._is_probing = False
            self.health.give_up_probe()

    def free_a_row(self) -> None:
        """While the provider is down: give up a call that hangs. All rows may be under way, and a probe needs one."""
        if self.is_down:
            self.health.whole.calls.end_oldest_hung()

    async def _admit_window(self, wanted: int, under_way: int) -> Admission:
        if not await self.first_calls.may_ask():  # another process does
            return Admission(wait_seconds=ASK_AGAIN_SECONDS)
        if self.trust.recipe_is_refused:  # as that one was told
            return Admission(pause=pause_for_refusal(self._own_words))
        window = self.trust.window if self.health.standing.verdict is Verdict.WELL else 1
        rows = min(wanted, window - under_way)
        return Admission(rows) if rows > 0 else Admission(wait_seconds=LOOK_AGAIN_SECONDS)

    async def _admit_probe(self) -> Admission:
        waited_since = max(self.health.standing.since, 0.0 if self.trust.is_proven else self.trust.begun_at)
        if time.time() - waited_since > self._settings.run_patience_seconds:
            return self._pause()
        if await self.health.try_probe():
            self._is_probing = True
            return Admission(1)
        return Admission(cause=Cause.PROVIDER_DOWN, wait_seconds=PROBE_TURN_SECONDS)

    def _pause(self) -> Admission:
        return Admission(pause=pause_for_verdict(self.health.provider.name, self.health.standing, self._own_words))
