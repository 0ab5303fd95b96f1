"""How long an event loop keeps its callers waiting: what blocks it shows here, whoever it is. For every process that
keeps leases, sockets or streams on one loop."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import Histogram

SAMPLE_SECONDS: Final = 0.1
"""Ten wake-ups a second cost nothing and see whatever blocks a loop for longer."""

LOOP_LAG = Histogram(
    "storymill_loop_lag_seconds",
    "How much later than asked for a sleeper on the event loop wakes up.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def start_sampling() -> "asyncio.Task[None]":
    """Measure the running loop until the returned task is cancelled."""
    return asyncio.create_task(sample_for_ever(), name="loop-lag")


@contextmanager
def sampling_loop_lag() -> Iterator[None]:
    """Measure the running loop while the block lasts."""
    sampler = start_sampling()
    try:
        yield
    finally:
        sampler.cancel()


async def sample_for_ever() -> None:
    """Sleep again and again, and record by how much each sleep was too long."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + SAMPLE_SECONDS
        await asyncio.sleep(SAMPLE_SECONDS)
        LOOP_LAG.observe(max(0.0, loop.time() - due))
