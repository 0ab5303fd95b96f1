"""What blocks an event loop shows in its lag."""

import asyncio
import time

from prometheus_client import REGISTRY

from shared.observability.loop_lag import SAMPLE_SECONDS, start_sampling
from tests.support.stack import eventually

BLOCKED_SECONDS = 0.3


def read_sum() -> float:
    """Return all lag measured so far, in seconds."""
    return REGISTRY.get_sample_value("storymill_loop_lag_seconds_sum") or 0.0


async def test_a_blocked_loop_is_measured() -> None:
    sampler = start_sampling()
    await asyncio.sleep(0)
    before = read_sum()
    time.sleep(SAMPLE_SECONDS + BLOCKED_SECONDS)  # noqa: ASYNC251  what is measured
    await eventually(lambda: read_sum() > before, what="the lag to be recorded")
    assert read_sum() - before >= BLOCKED_SECONDS / 2
    sampler.cancel()
