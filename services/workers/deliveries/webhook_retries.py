"""When a webhook that has not arrived is sent again. Knows no sending."""

import random
from typing import Final

WAIT_SECONDS: Final = (5, 30, 120, 600, 1800, 3600, 7200, 14400)
"""After the first, second, … failure; the last one from then on."""
LONGEST_AGE_SECONDS: Final = 24 * 3600
"""Then it is given up."""
LONGEST_ASKED_SECONDS: Final = 3600
"""A target that asks for more is asked again after this."""
JITTER: Final = 0.1
GONE: Final = 410
"""A target that answers so wants no more: what is due there is given up."""


def is_delivered(status: int) -> bool:
    """Say whether a status means that the event has arrived. A redirect does not: it is not followed."""
    return 200 <= status < 300


def plan_retry(tries: int, age_seconds: float, asked_seconds: float | None = None) -> float | None:
    """Return how long to wait after the `tries`th failure, None to give up."""
    wait = float(WAIT_SECONDS[min(tries, len(WAIT_SECONDS)) - 1])
    wait = max(wait, min(asked_seconds or 0, LONGEST_ASKED_SECONDS)) * (1 + JITTER * random.random())  # noqa: S311 - no secret
    return wait if age_seconds + wait <= LONGEST_AGE_SECONDS else None
