"""How long an event loop keeps its callers waiting: what blocks it shows here, whoever it is. For every process that
keeps leases, sockets or streams on one loop.

The loop itself measures how late it is; a thread beside it says, while it stands still, where."""

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import Histogram

from shared.observability.logs import get_logger

SAMPLE_SECONDS: Final = 0.1
"""Ten wake-ups a second cost nothing and see whatever blocks a loop for longer."""
BLOCKED_SECONDS: Final = 0.25
"""From here on the log says what the loop is at."""
SHOWN_FRAMES: Final = 12
IMPORTING: Final = "<frozen importlib"
"""A module that is loaded stands below many frames of these, and who loads it above them."""

LOOP_LAG = Histogram(
    "storymill_loop_lag_seconds",
    "How much later than asked for a sleeper on the event loop wakes up.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

log = get_logger(__name__)


class LoopWatch(threading.Thread):
    """Logs the stack of a loop that has not turned for long, once each time."""

    def __init__(self) -> None:
        super().__init__(name="loop-watch", daemon=True)
        self._loop_thread = threading.get_ident()
        self._turned_at = time.monotonic()
        self._over = threading.Event()

    def turn(self) -> None:
        """Note that the loop turns. Called on it."""
        self._turned_at = time.monotonic()

    def stop(self) -> None:
        """End the watch."""
        self._over.set()

    def run(self) -> None:
        """Look at the loop until told to stop."""
        told_of = 0.0
        while not self._over.wait(SAMPLE_SECONDS):
            turned_at = self._turned_at
            late = time.monotonic() - turned_at - SAMPLE_SECONDS
            if late > BLOCKED_SECONDS and turned_at != told_of:
                told_of = turned_at
                log.warning("loop_blocked", milliseconds=round(late * 1000), at=self._describe_stack())

    def _describe_stack(self) -> list[str]:
        frame = sys._current_frames().get(self._loop_thread)
        found = traceback.extract_stack(frame) if frame is not None else []
        told = [line for line in found if not line.filename.startswith(IMPORTING)]
        return [f"{line.filename}:{line.lineno} {line.name}" for line in told[-SHOWN_FRAMES:]]


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
    watch = LoopWatch()
    watch.start()
    try:
        while True:
            due = loop.time() + SAMPLE_SECONDS
            await asyncio.sleep(SAMPLE_SECONDS)
            LOOP_LAG.observe(max(0.0, loop.time() - due))
            watch.turn()
    finally:
        watch.stop()
