"""How many calls to one provider this process keeps in flight. Shared by all slices of the process; knows no rows.

Starts low and doubles while every slot is used and answers come as fast as before; a provider that queues our calls
(its latency grows with them) or refuses them (429) gets fewer. So the embedded engine sees a dozen calls and a fast
provider hundreds, with nothing configured."""

import asyncio
import time
from typing import Final

START_CALLS: Final = 16
BATCH_SHARE: Final = 4
SLOW_FACTOR: Final = 1.8
"""Latency may grow to so many times the best before we stop adding calls."""
QUEUEING_FACTOR: Final = 4.0
"""From here on we take calls away, down to what we started with."""
BEST_DRIFT: Final = 1.005
"""The best latency is forgotten a little with every round: providers change."""
CUT_FACTOR: Final = 0.6
CUT_PAUSE_SECONDS: Final = 1.0
"""A burst of refusals counts once."""
LONGEST_PAUSE_SECONDS: Final = 1.0
"""A longer silence is the whole cluster's: the verdict on the provider."""


class CallSlots:
    """Slots for the calls to one provider."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = min(START_CALLS, most)
        self.in_flight = 0
        self.unsettled = 0
        """Calls under way, and answers that are not committed yet: what a crash makes unknown, never more than
        `most`."""
        self.slices = 0
        """How many slices share the slots."""
        self.paused_until = 0.0
        """The provider asked for silence until then (`time.monotonic()`)."""
        self.changed = asyncio.Event()
        """Set when so many slots are free that a claim is worth its transaction."""
        self._best_seconds: float | None = None
        self._round_seconds = 0.0
        self._round_calls = 0
        self._was_full = False
        self._no_growth_until = 0.0

    def count_free(self, held: int) -> int:
        """Return how many more calls a slice that holds `held` slots may start now."""
        share = max(1, self.limit // max(1, self.slices))
        return max(0, min(self.limit - self.in_flight, share - held, self.most - self.unsettled))

    def occupy(self, calls: int) -> None:
        """Take slots."""
        self.in_flight += calls
        self.unsettled += calls
        self._was_full = self._was_full or self.in_flight >= self.limit

    def release(self) -> None:
        """Give one slot back: the call is over."""
        self.in_flight -= 1
        self._tell()

    def give_up(self, calls: int) -> None:
        """Give back slots that were taken for calls that are not made."""
        self.in_flight -= calls
        self.unsettled -= calls
        self._tell()

    def settle(self) -> None:
        """Forget one call: its outcome is committed, or given up."""
        self.unsettled -= 1
        self._tell()

    @property
    def batch(self) -> int:
        """How many calls are worth a claim: a part of all, so that claims, calls and commits of several batches
        overlap instead of moving in step."""
        return max(1, self.limit // BATCH_SHARE)

    def _tell(self) -> None:
        if self.count_free(0) >= self.batch:
            self.changed.set()

    def record_answer(self, seconds: float) -> None:
        """Learn from a call that was answered."""
        self._round_seconds += seconds
        self._round_calls += 1
        if self._round_calls >= self.limit:
            self._end_round(self._round_seconds / self._round_calls)

    def record_refusal(self, retry_after_seconds: float | None) -> None:
        """Learn from a 429: keep silent as long as asked, then go on with fewer calls."""
        now = time.monotonic()
        if retry_after_seconds:
            self.paused_until = max(self.paused_until, now + min(retry_after_seconds, LONGEST_PAUSE_SECONDS))
        if now >= self._no_growth_until:
            self.limit = max(1, int(self.limit * CUT_FACTOR))
        self._no_growth_until = now + CUT_PAUSE_SECONDS

    def record_fault(self) -> None:
        """Learn from a 5xx: no more calls than now for a while."""
        self._no_growth_until = max(self._no_growth_until, time.monotonic() + CUT_PAUSE_SECONDS)

    def _end_round(self, seconds: float) -> None:
        best = min(seconds, (self._best_seconds or seconds) * BEST_DRIFT)
        if seconds > best * QUEUEING_FACTOR:
            self.limit = max(min(self.limit, START_CALLS), int(self.limit * 0.9))
        elif seconds <= best * SLOW_FACTOR and self._was_full and time.monotonic() >= self._no_growth_until:
            self.limit = min(self.most, self.limit * 2)
        self._best_seconds = best
        self._round_seconds, self._round_calls, self._was_full = 0.0, 0, False
