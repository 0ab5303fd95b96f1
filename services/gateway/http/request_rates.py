"""How many requests a minute a key may make of this process."""

from shared.auth.principal import Principal
from shared.bounds import Bounds, setting_of
from shared.errors import RateLimitedError
from shared.http.token_bucket import TokenBucket

SECONDS = 60.0


class RequestRates:
    """A bucket for each key that asks: a minute's requests at once, and as they are refilled after that."""

    def __init__(self) -> None:
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, caller: Principal, bounds: Bounds) -> None:
        """Count a request. Raises: RateLimitedError for one too many."""
        most = bounds.max_requests_per_minute
        bucket = self._buckets.get(caller.api_key_id)
        if bucket is None or bucket.burst != most:
            bucket = self._buckets[caller.api_key_id] = TokenBucket(most / SECONDS, most)
        if not bucket.take():
            setting = setting_of("max_requests_per_minute")
            raise RateLimitedError(
                f"This key makes more than {most} requests a minute ({setting}).",
                retry_after_seconds=max(1.0, SECONDS / most),
            )
