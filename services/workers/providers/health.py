"""How the providers stand, for a whole cluster: each process judges by its own calls, and Redis carries a verdict to
the others within a fraction of a second. Without Redis a process keeps to what it sees itself."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Final

import orjson
from redis.asyncio import Redis

from services.workers.providers.verdict import Standing, Verdict, VerdictFinder
from shared.observability.logs import get_logger
from shared.outside.providers.configuration import Provider
from shared.outside.providers.failures import LlmError
from shared.stores.away import STORE_AWAY

SYNC_SECONDS: Final = 0.25
REDIS_TIMEOUT_SECONDS: Final = 1.0
KEY_PREFIX: Final = "sm:provider:"
KEPT_SECONDS: Final = 7 * 86_400
"""A standing that nobody renews is forgotten: the next call tells."""
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 4.0
"""Between two probes; a breaker closes so soon after the provider is back."""
PROBE_LEASE_SECONDS: Final = 10.0
"""A process that dies while it probes holds the others up for so long. Renewed while the probe is under way."""
FIRST_TRY_AGAIN_SECONDS: Final = 5.0
FINGERPRINT_DIGITS: Final = 16

log = get_logger(__name__)

Changed = Callable[["ProviderHealth"], Awaitable[None]]


def fingerprint(provider: Provider) -> str:
    """Return what tells keys apart without telling them: a new key begins with a clean slate."""
    return hashlib.sha256((provider.api_key or "").encode()).hexdigest()[:FINGERPRINT_DIGITS]


class ProviderHealth:
    """One provider and key, as this process sees it."""

    def __init__(self, redis: Redis, provider: Provider, worker_id: str) -> None:
        self.provider = provider
        self.fingerprint = fingerprint(provider)
        self.judge = VerdictFinder()
        self.untold: Standing | None = None
        """A change of our own that Postgres does not show yet."""
        self._redis = redis
        self._worker_id = worker_id
        self._is_probing = False
        self._probe_due = 0.0
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._renewed_at = 0.0
        self._try_again_at = 0.0

    @property
    def standing(self) -> Standing:
        """How the provider stands."""
        return self.judge.standing

    @property
    def key(self) -> str:
        """Where Redis has the standing."""
        return f"{KEY_PREFIX}{self.provider.name}:{self.fingerprint}"

    @property
    def probe_key(self) -> str:
        """Held while one probes, and for the pause after a probe that failed."""
        return f"{self.key}:probe"

    def hear(self, error: LlmError | None, subject: str, begun_at: float) -> str | None:
        """Take in a call's outcome; `begun_at` is in seconds since the epoch. Return how the books call a failure that
        a verdict explains, None for one that is its row's own."""
        before, now = self.standing, time.time()
        if error is None:
            self.judge.hear_success(begun_at, now)
        else:
            self.judge.hear_failure(error, subject, begun_at, now)
        if self._is_probing and begun_at >= before.since:
            self._end_probe()
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
        except (*STORE_AWAY, TimeoutError):
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

    async def sync(self) -> None:
        """Bring Redis and this process to the same standing, and hold on to a probe under way.
        Raises: STORE_AWAY, when Redis is."""
        raw = await self._redis.get(self.key)
        found = read_standing(raw) if raw else None
        if found is not None and found.changed_at > self.standing.changed_at:
            self._adopt(found)
        elif self.standing.changed_at > (found.changed_at if found else 0.0):
            await self._redis.set(self.key, orjson.dumps(asdict(self.standing)), ex=KEPT_SECONDS)
        if self._is_probing and time.monotonic() - self._renewed_at > PROBE_LEASE_SECONDS / 4:
            self._renewed_at = time.monotonic()
            await self._redis.set(self.probe_key, self._worker_id, xx=True, px=int(PROBE_LEASE_SECONDS * 1000))

    def _adopt(self, found: Standing) -> None:
        before = self.standing
        self.judge.adopt(found)
        if found.verdict is not before.verdict:
            log.info("provider_verdict_heard", provider=self.provider.name, verdict=found.verdict.value)
            self._pause_seconds, self._probe_due = FIRST_PAUSE_SECONDS, 0.0

    def _note_change(self, before: Standing) -> None:
        now = self.standing
        self.untold = now
        self._try_again_at = time.monotonic() + FIRST_TRY_AGAIN_SECONDS
        self._pause_seconds, self._probe_due = FIRST_PAUSE_SECONDS, 0.0
        log.warning(
            "provider_verdict", provider=self.provider.name, verdict=now.verdict.value, before=before.verdict.value,
            error=now.message,
        )  # fmt: skip

    def _end_probe(self) -> None:
        """After an answer, good or bad: the next probe, if one is still needed, comes after a longer pause."""
        self._is_probing = False
        is_down = self.standing.verdict is Verdict.DOWN
        pause = self._pause_seconds if is_down else 0.0
        self._pause_seconds = min(self._pause_seconds * 2, LONGEST_PAUSE_SECONDS)
        self._probe_due = time.monotonic() + pause
        self._spawn(self._release_probe(pause))

    async def _release_probe(self, pause_seconds: float) -> None:
        with suppress(*STORE_AWAY, TimeoutError):
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


class ProviderHealths:
    """All providers that this process has called."""

    def __init__(self, redis: Redis, worker_id: str, tell: Changed) -> None:
        self._redis = redis
        self._worker_id = worker_id
        self._tell = tell
        self._healths: dict[tuple[str, str], ProviderHealth] = {}
        self._syncing: asyncio.Task[None] | None = None
        self._telling: dict[ProviderHealth, asyncio.Task[None]] = {}

    async def find(self, provider: Provider) -> ProviderHealth:
        """Return the health of a provider; what the others know of it is heard first."""
        key = (provider.name, fingerprint(provider))
        health = self._healths.get(key)
        if health is None:
            health = self._healths[key] = ProviderHealth(self._redis, provider, self._worker_id)
            with suppress(*STORE_AWAY, TimeoutError):
                async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                    await health.sync()
                health.note_seen()
        if self._syncing is None:
            self._syncing = asyncio.create_task(self._sync_for_ever(), name="provider-healths")
        return health

    async def stop(self) -> None:
        """Tell no more and hear no more."""
        if self._syncing is not None:
            self._syncing.cancel()
            with suppress(asyncio.CancelledError):
                await self._syncing
        await asyncio.gather(*self._telling.values(), return_exceptions=True)
        for health in self._healths.values():
            health.give_up_probe()

    async def _sync_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            for health in list(self._healths.values()):
                try:
                    await self._sync_one(health)
                except (*STORE_AWAY, TimeoutError):
                    continue
                except Exception:  # a defect of ours must not end the exchange
                    log.exception("provider_not_synced", provider=health.provider.name)

    async def _sync_one(self, health: ProviderHealth) -> None:
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                await health.sync()
        finally:
            if health.untold is not None and health not in self._telling:
                self._telling[health] = asyncio.create_task(self._tell_one(health))

    async def _tell_one(self, health: ProviderHealth) -> None:
        """Beside the exchange: Postgres may be slow just now, and the others must hear."""
        try:
            await self._tell(health)
        except Exception:  # a defect of ours: the next round tries again
            log.exception("verdict_not_told", provider=health.provider.name)
        finally:
            self._telling.pop(health, None)


def read_standing(raw: bytes | str) -> Standing | None:
    """Return what another process wrote; None for what a later release may write."""
    try:
        value = orjson.loads(raw)
        return Standing(**{**value, "verdict": Verdict(value["verdict"])})
    except (ValueError, TypeError, KeyError):
        return None
