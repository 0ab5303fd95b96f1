"""How many tokens the next call of a run will use: learnt from the calls before it."""

from collections import deque
from typing import Final

REMEMBERED_CALLS: Final = 200
ENOUGH_CALLS: Final = 20
"""Fewer say nothing about the tail."""
QUANTILE: Final = 0.95


class TokenEstimate:
    """Starts with an upper bound, then follows the 95th percentile."""

    def __init__(self, bound_tokens: int) -> None:
        self._seen: deque[int] = deque(maxlen=REMEMBERED_CALLS)
        self._tokens = max(1, bound_tokens)
        self._since = 0

    @property
    def tokens(self) -> int:
        """What to reserve for one call."""
        return self._tokens

    def learn(self, tokens: int) -> None:
        """Take in what a call used."""
        self._seen.append(tokens)
        self._since += 1
        if len(self._seen) >= ENOUGH_CALLS and self._since >= ENOUGH_CALLS:
            ranked = sorted(self._seen)
            self._tokens = max(1, ranked[int(QUANTILE * (len(ranked) - 1))])
            self._since = 0
