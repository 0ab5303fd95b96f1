"""A token bucket: so many at once, so many a second after that."""

import asyncio
from dataclasses import dataclass, field


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class TokenBucket:
    """`burst` tokens, refilled at `per_second`."""

    per_second: float
    burst: float
    _tokens: float = field(init=False)
    _filled_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens = self.burst
        self._filled_at = _now()

    def take(self) -> bool:
        """Take a token; False when there is none."""
        self._fill()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    async def wait(self) -> None:
        """Take a token, after those who asked before."""
        self._fill()
        self._tokens -= 1
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / self.per_second)

    def _fill(self) -> None:
        now = _now()
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.per_second)
        self._filled_at = now
