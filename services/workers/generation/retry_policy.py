"""How often, and after what pause, a failed call is made again: by failure class. The worker is the one retry owner."""

from dataclasses import dataclass
from typing import Final

import backoff

from shared.outside.providers.failures import FailureClass


@dataclass(frozen=True, slots=True)
class RetryRule:
    """Limits for one failure class, on one row."""

    retries: int
    first_wait_seconds: float
    longest_wait_seconds: float


UNPAID_PATIENCE: Final = RetryRule(40, 0.5, 15.0)
"""Refused or never sent: costs nothing, so a restart of the provider or a long rate limit is sat out (minutes)."""

RULES: Final = {
    FailureClass.RATE_LIMITED: UNPAID_PATIENCE,
    FailureClass.UNREACHABLE: UNPAID_PATIENCE,
    FailureClass.SERVER_ERROR: RetryRule(8, 0.5, 15.0),
    FailureClass.CUT_CONNECTION: RetryRule(4, 0.5, 10.0),
    FailureClass.TIMEOUT: RetryRule(2, 1.0, 15.0),
    FailureClass.EMPTY: RetryRule(2, 0.0, 0.0),
    FailureClass.MALFORMED: RetryRule(2, 0.5, 5.0),
}
"""Classes that are not here fail at once: the same request would fail again."""


def find_wait(failure_class: FailureClass, failures: int, retry_after_seconds: float | None) -> float | None:
    """Return the pause before the next try, in seconds; None when `failures` (this one included) are enough.

    Full jitter over an exponential bound; what the provider asked for is the floor, jitter comes on top."""
    rule = RULES.get(failure_class)
    if rule is None or failures > rule.retries:
        return None
    bound = min(rule.first_wait_seconds * 2 ** min(failures - 1, 16), rule.longest_wait_seconds)
    return (retry_after_seconds or 0.0) + float(backoff.full_jitter(bound))
