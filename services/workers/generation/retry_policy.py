"""How often, and after what pause, a failed call is made again: by failure class. The worker is the one retry owner."""

import re
from dataclasses import dataclass
from typing import Final

import backoff

from shared.outside.providers.failures import FailureClass, LlmError


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
    FailureClass.AUTHENTICATION: RetryRule(4, 0.5, 10.0),
}
"""Classes that are not here fail at once: the same request would fail again. A refused key is not the row's fault, but
a firewall may refuse its words for ever."""
EXCUSED_WAIT_SECONDS: Final = 1.0
"""A row whose call failed under a verdict lets the others go before it: if it is what breaks the server after all, one
of them will show it."""

RECIPE_CLASSES: Final = frozenset({FailureClass.INVALID_REQUEST, FailureClass.NOT_FOUND})
"""Refusals of what was asked, which a recipe's parameters may have caused for all rows alike."""
ROW_CODES: Final = frozenset({"context_length_exceeded", "string_above_max_length", "413"})
ROW_WORDS: Final = re.compile(
    r"context (?:length|window|size)|too long|(?:request|prompt|input) too large|too large for model|too many tokens",
    re.IGNORECASE,
)
TOO_LARGE: Final = 413


def speaks_of_one_row(error: LlmError) -> bool:
    """Say whether a refusal is about the length of one prompt: the next row may be shorter."""
    return error.upstream_status == TOO_LARGE or error.code in ROW_CODES or ROW_WORDS.search(error.message) is not None


def find_wait(failure_class: FailureClass, failures: int, retry_after_seconds: float | None) -> float | None:
    """Return the pause before the next try, in seconds; None when `failures` (this one included) are enough.

    Full jitter over an exponential bound; what the provider asked for is the floor, jitter comes on top."""
    rule = RULES.get(failure_class)
    if rule is None or failures > rule.retries:
        return None
    bound = min(rule.first_wait_seconds * 2 ** min(failures - 1, 16), rule.longest_wait_seconds)
    return (retry_after_seconds or 0.0) + float(backoff.full_jitter(bound))
