"""What a slice spends its time waiting for: the `limited_by` of a run."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum


class Cause(StrEnum):
    """The values of `generation.limited_by`."""

    REQUESTS_PER_MINUTE = "requests_per_minute"
    TOKENS_PER_MINUTE = "tokens_per_minute"
    CONCURRENCY = "concurrency"
    BUDGET = "budget"
    UPSTREAM_LATENCY = "upstream_latency"
    PROVIDER_DOWN = "provider_down"
    UPSTREAM_REFUSALS = "upstream_refusals"
    RETRY_DELAY = "retry_delay"
    DATABASE = "database"


class Bottleneck:
    """Adds up waiting time by cause."""

    def __init__(self) -> None:
        self._seconds: defaultdict[Cause, float] = defaultdict(float)
        self._last: Cause | None = None

    @contextmanager
    def waiting_for(self, cause: Cause) -> Iterator[None]:
        """Charge the time of the block to `cause`."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._seconds[cause] += time.monotonic() - begun

    @property
    def last(self) -> Cause | None:
        """What `take` returned last."""
        return self._last

    def take(self) -> Cause | None:
        """Return the cause of most waiting since the last call (or the one before, if there was none)."""
        if self._seconds:
            self._last = max(self._seconds, key=self._seconds.__getitem__)
            self._seconds.clear()
        return self._last
