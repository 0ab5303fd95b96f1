"""Who tries key after key waits longer each time. A key that is known to be good is never refused for it."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.errors import RateLimitedError

FREE_TRIES: Final = 20
"""A misconfigured client's, or a few people behind one address."""
LONGEST_SECONDS: Final = 60.0
FORGOTTEN_SECONDS: Final = 600.0
MOST_ADDRESSES: Final = 10_000


@dataclass(slots=True)
class _Tries:
    count: int = 0
    last_at: float = 0.0


class WrongKeys:
    """Wrong keys by the address that they came from. One per process."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def note(self, address: str) -> None:
        """Count a wrong key."""
        tries = self._tries.setdefault(address, _Tries())
        tries.count += 1
        tries.last_at = self._monotonic()
        self._tries.move_to_end(address)
        if len(self._tries) > MOST_ADDRESSES:
            self._tries.popitem(last=False)

    def require_patience(self, address: str) -> None:
        """Pass when the address may try another key. Raises: RateLimitedError with the time to wait."""
        tries = self._tries.get(address)
        if tries is None:
            return
        silent = self._monotonic() - tries.last_at
        if silent > FORGOTTEN_SECONDS:
            del self._tries[address]
            return
        waits = min(LONGEST_SECONDS, 2.0 ** (tries.count - FREE_TRIES)) if tries.count >= FREE_TRIES else 0.0
        if silent < waits:
            raise RateLimitedError(
                f"Your address sent {tries.count} wrong API keys. Check the key, and come back later.",
                retry_after_seconds=math.ceil(waits - silent),
                code="too_many_wrong_keys",
            )
