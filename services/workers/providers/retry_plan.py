"""Whether and when a failed call that somebody waits for is made again: short waits, and few calls that may
cost something. A provider that restarts, or asks to wait, is sat out for as long as patience lasts."""

import time
from collections.abc import Generator
from typing import Any, Final

import backoff

from shared.outside.providers.failures import FailureClass, LlmError

MAX_CALLS: Final = 6
WAITED_OUT: Final = frozenset({FailureClass.RATE_LIMITED, FailureClass.UNREACHABLE})
"""Nothing was written and nothing is paid: these do not count as calls, patience alone bounds them."""
FIRST_WAIT_SECONDS: Final = 0.25
LONGEST_WAIT_SECONDS: Final = 8.0


class RetryPlan:
    """The retries of one completion in one worker."""

    def __init__(self, patience_seconds: float) -> None:
        self.give_up_at = time.monotonic() + patience_seconds
        self._calls = 0
        self._waits: Generator[float, Any, None] = backoff.expo(
            factor=FIRST_WAIT_SECONDS, max_value=LONGEST_WAIT_SECONDS
        )
        next(self._waits)  # a generator of `backoff` begins with an empty step

    def next_wait(self, failure: LlmError) -> float | None:
        """Return how many seconds to wait before the next call, None to give up. A wait that the provider asked
        for is a floor: jitter comes on top, so that not everybody comes back at once."""
        self._calls += failure.failure_class not in WAITED_OUT
        if not failure.failure_class.retryable or self._calls >= MAX_CALLS:
            return None
        wait = float(backoff.full_jitter(next(self._waits))) + (failure.retry_after_seconds or 0.0)
        return wait if time.monotonic() + wait < self.give_up_at else None
