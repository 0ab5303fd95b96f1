"""How a provider stands with a key, for a whole cluster: each process judges by its own calls, and Redis carries a
verdict to the others within a fraction of a second. Without Redis a process keeps to what it sees itself."""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final

import orjson
from redis.asyncio import Redis

from services.workers.providers.calls_under_way import CallsUnderWay
from services.workers.providers.metrics import VERDICT_CHANGES, show_verdict
from services.workers.providers.verdict import Standing, Verdict, VerdictFinder
from shared.observability.logs import get_logger
from shared.outside.providers.configuration import Provider
from shared.outside.providers.failures import LlmError
from shared.stores.away import AWAY_OR_SILENT
from shared.stores.redis.provider_facts import ProviderFacts, fingerprint

REDIS_TIMEOUT_SECONDS: Final = 1.0
KEPT_SECONDS: Final = 7 * 86_400
"""A standing that nobody renews is forgotten: the next call tells."""
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 4.0
"""Between two probes; a breaker closes so soon after the provider is back."""
PROBE_LEASE_SECONDS: Final = 10.0
"""A process that dies while it probes holds the others up for so long. Renewed while the probe is under way."""
FIRST_TRY_AGAIN_SECONDS: Final = 5.0
LATELY_SECONDS: Final = 60
"""An answer is a sign for so long that the next call will be answered, too."""
TELL_ANSWERS_SECONDS: Final = 5.0
"""So often the others are told that the provider still answers."""

log = get_logger(__name__)


class ProviderHealth:
    """One provider and key, as this process sees it."""

    def __init__(self, redis: Redis, provider: Provider, worker_id: str, patience_seconds: float) -> None:
        self.provider = provider
        self.fingerprint = fingerprint(provider.api_key)
        self.calls = CallsUnderWay(patience_seconds)
        self.models: dict[str, VerdictFinder] = {}
        """How models stand of which alone something was said."""
        self.limits: dict[str, dict[str, int]] = {}
        """What its answers told of its limits, by model."""
        self.untold: Standing | None = None
        """A change of our own that Postgres does not show yet."""
        self.judge = VerdictFinder()
        self._redis = redis
        self._facts = ProviderFacts(redis, provider.name, self.fingerprint)
        self._worker_id = worker_id
        self._limits_told: dict[str, dict[str, int]] = {}
        self._calls_told, self._calls_told_at = 0, 0.0
        self._recovered_at = float("-inf")
        self._is_probing = False
        self._probe_due = 0.0
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._renewed_at = 0.0
        self._try_again_at = 0.0
        self._answered_at = self._answer_told_at = float("-inf")

    @property
    def standing(self) -> Standing:
        """The verdict as this process knows it: its own calls, and what others wrote at the last look."""
        return self.judge.standing

    @property
    def key(self) -> str:
        """Where Redis has the standing."""
        return self._facts.standing_key

    @property
    def probe_key(self) -> str:
        """Held while one probes, and for the pause after a probe that failed."""
        return f"{self.key}:probe"

    @property
    def answered_key(self) -> str:
        """Held while an answer of any process is fresh."""
        return f"{self.key}:answered"

    async def has_answered_lately(self) -> bool:
        """Say whether the provider has just answered anybody well with this key. Our own engine has no account that
        could be empty, and its refusals cost nothing."""
        if self.provider.is_neighbour or time.monotonic() - self._answered_at < LATELY_SECONDS:
            return True
        with suppress(*AWAY_OR_SILENT):
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                return bool(await self._redis.exists(self.answered_key))
        return False

    def hear(self, error: LlmError | None, subject: str, begun_at: float) -> str | None:
        """Take in a call's outcome; `begun_at` is in seconds since the epoch. Return how the books call a failure that
        a verdict explains, None for one that is its row's own."""
        before, now = self.standing, time.time()
        if error is None:
            self._answered_at = time.monotonic()
            self.judge.hear_success(begun_at, now)
        else:
            self.judge.hear_failure(error, subject, begun_at, now)
        if self._is_probing and begun_at >= before.since:
            self._end_probe(now - begun_at)
        if self.standing.verdict is not before.verdict:
            self._note_change(before)
        return self.judge.explains(error) if error is not None else None

    async def try_probe(self) -> bool:
        """Become the one who asks a provider that is down; False while somebody else does, or in the pause between two
        probes. Whoever probes makes one call, and `hear` or `give_up_probe` ends it."""
        now = time.monotonic()
        if self._is_probing or now < self._probe_due:
            return False
        is_ours, self._is_probing, self._renewed_at = False, True, now
        self._probe_due = now + FIRST_PAUSE_SECONDS
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                lease = int(PROBE_LEASE_SECONDS * 1000)
                is_ours = bool(await self._redis.set(self.probe_key, self._worker_id, nx=True, px=lease))
        except AWAY_OR_SILENT:
            is_ours = True  # alone as far as we can see
        finally:
            self._is_probing = is_ours
        return is_ours

    def try_again(self, after_seconds: float) -> bool:
        """Say whether this process should ask a provider once more that needs people (no credit, a refused key)."""
        now = time.monotonic()
        if now < self._try_again_at:
            return False
        self._try_again_at = now + after_seconds
        return True

    def give_up_probe(self) -> None:
        """Let another probe: no call was made."""
        if self._is_probing:
            self._is_probing = False
            self._probe_due = time.monotonic() + FIRST_PAUSE_SECONDS
            self._spawn(self._release_probe(FIRST_PAUSE_SECONDS))

    def note_seen(self) -> None:
        """Have Postgres show a provider that is well with this key: what it shows may be of a key that is no more."""
        if self.standing.verdict is Verdict.WELL:
            now = time.time()
            self.untold = Standing(Verdict.WELL, self.standing.since or now, now)

    def look_at_calls(self) -> None:
        """Notice a provider that takes calls and answers none; give up those that one which is back has forgotten, and
        while it is down those that somebody waits for."""
        if self.standing.verdict is Verdict.DOWN:
            self.calls.end_awaited(time.time() - self.standing.since)
        if self.standing.verdict is not Verdict.WELL:
            return
        self.calls.end_lost(self._recovered_at)
        if self.calls.has_fallen_silent():
            before = self.standing
            self.judge.hear_nothing(time.time())
            self._note_change(before)

    async def sync(self) -> None:
        """Bring Redis and this process to the same standing, and hold on to a probe under way.
        Raises: STORE_AWAY, when Redis is."""
        await self._sync_standing()
        await self._sync_models()
        await self._tell_facts()

    async def _sync_standing(self) -> None:
        raw = await self._redis.get(self.key)
        found = read_standing(raw) if raw else None
        if found is not None and found.changed_at > self.standing.changed_at:
            self._adopt(found)
        elif self.standing.changed_at > (found.changed_at if found else 0.0):
            await self._redis.set(self.key, orjson.dumps(asdict(self.standing)), ex=KEPT_SECONDS)
        if self._is_probing and time.monotonic() - self._renewed_at > PROBE_LEASE_SECONDS / 4:
            self._renewed_at = time.monotonic()
            await self._redis.set(self.probe_key, self._worker_id, xx=True, px=int(PROBE_LEASE_SECONDS * 1000))

    async def _sync_models(self) -> None:
        told = await self._facts.read_models() if self.models else {}
        for model, judge in self.models.items():
            found = shape_standing(told[model]) if model in told else None
            if found is not None and found.changed_at > judge.standing.changed_at:
                judge.adopt(found)
            elif judge.standing.changed_at > (found.changed_at if found else 0.0):
                await self._facts.tell_model(model, asdict(judge.standing))

    async def _tell_facts(self) -> None:
        if self._answered_at > self._answer_told_at + TELL_ANSWERS_SECONDS:
            self._answer_told_at = self._answered_at
            await self._redis.set(self.answered_key, 1, ex=LATELY_SECONDS)
        now, calls = time.monotonic(), len(self.calls)
        if calls != self._calls_told or (calls and now - self._calls_told_at > TELL_ANSWERS_SECONDS):
            self._calls_told, self._calls_told_at = calls, now
            await self._facts.tell_calls(self._worker_id, calls)
        for model, limits in self.limits.items():
            if self._limits_told.get(model) != limits:
                self._limits_told[model] = limits
                await self._facts.tell_limits(model, limits)

    def _adopt(self, found: Standing) -> None:
        before = self.standing
        self.judge.adopt(found)
        if found.verdict is not before.verdict:
            log.info("provider_verdict_heard", provider=self.provider.name, verdict=found.verdict.value)
            self.untold = found  # whoever came to it may have died before Postgres knew
            self._begin_verdict(before)

    def _note_change(self, before: Standing) -> None:
        now = self.standing
        self.untold = now
        self._try_again_at = time.monotonic() + FIRST_TRY_AGAIN_SECONDS
        self._begin_verdict(before)
        VERDICT_CHANGES.labels(self.provider.name, now.verdict.value).inc()
        log.warning(
            "provider_verdict", provider=self.provider.name, verdict=now.verdict.value, before=before.verdict.value,
            error=now.message,
        )  # fmt: skip

    def _begin_verdict(self, before: Standing) -> None:
        self._pause_seconds, self._probe_due = FIRST_PAUSE_SECONDS, 0.0
        if before.verdict is Verdict.DOWN:
            self._recovered_at = time.monotonic()
        show_verdict(self.provider.name, self.standing.verdict)

    def _end_probe(self, took_seconds: float) -> None:
        """After an answer, good or bad: the next probe, if one is still needed, comes after a longer pause. One that
        was long in vain has been a pause itself."""
        self._is_probing = False
        is_down = self.standing.verdict is Verdict.DOWN
        pause = max(FIRST_PAUSE_SECONDS, self._pause_seconds - took_seconds) if is_down else 0.0
        self._pause_seconds = min(self._pause_seconds * 2, LONGEST_PAUSE_SECONDS)
        self._probe_due = time.monotonic() + pause
        self._spawn(self._release_probe(pause))

    async def _release_probe(self, pause_seconds: float) -> None:
        with suppress(*AWAY_OR_SILENT):
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                if pause_seconds:
                    await self._redis.set(self.probe_key, "pause", px=int(pause_seconds * 1000))
                else:
                    await self._redis.delete(self.probe_key)

    def _spawn(self, errand: Awaitable[None]) -> None:
        task = asyncio.ensure_future(errand)
        ERRANDS.add(task)
        task.add_done_callback(ERRANDS.discard)


ERRANDS: Final[set["asyncio.Future[None]"]] = set()
"""So that none is collected while it runs."""


def read_standing(raw: bytes | str) -> Standing | None:
    """Return what another process wrote; None for what a later release may write."""
    try:
        return shape_standing(orjson.loads(raw))
    except ValueError:
        return None


def shape_standing(value: Any) -> Standing | None:
    """Return a standing from its fields; None for what a later release may write."""
    try:
        return Standing(**{**value, "verdict": Verdict(value["verdict"])})
    except (ValueError, TypeError, KeyError):
        return None
