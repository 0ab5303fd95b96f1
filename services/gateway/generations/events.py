"""A run's progress as server-sent events: its object whenever that changes, and a last one when it is over."""

import asyncio
import time
from collections.abc import AsyncGenerator

import orjson

from services.gateway.generations.service import get_run, shape_generation
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.contracts.event_stream import format_event
from shared.contracts.statuses import GENERATION
from shared.http.answers import Json

RATE_WINDOW_SECONDS = 10.0


class RateMeter:
    """Stories per second over the last seconds."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, int]] = []

    def measure(self, done: int, now: float) -> float:
        """Take in how many are done by now; return the rate."""
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= RATE_WINDOW_SECONDS:
            self._seen.pop(0)
        first_at, first_done = self._seen[0]
        return (done - first_done) / (now - first_at) if now > first_at else 0.0


async def write_progress(gateway: Gateway, caller: Principal, generation_id: str) -> AsyncGenerator[bytes, None]:
    """Yield `progress` events, and `end` when the run is over. The row is looked at, not held."""
    meter = RateMeter()
    last: Json | None = None
    while True:
        run = await get_run(gateway, caller, generation_id)
        is_over = run[0].status in GENERATION.final and run[0].running <= 0
        snapshot = shape_generation(*run)
        counts = snapshot["counts"]
        done = counts["succeeded"] + counts["failed"] + counts["rejected"]
        rate = meter.measure(done, time.monotonic())
        if snapshot != last or is_over:
            last = snapshot
            waiting = counts["queued"] + counts["running"]
            eta = round(waiting / rate, 1) if rate > 0 else None
            event = {**snapshot, "stories_per_second": round(rate, 2), "eta_seconds": 0.0 if is_over else eta}
            yield format_event(orjson.dumps(event), name="end" if is_over else "progress")
        if is_over:
            return
        await asyncio.sleep(gateway.settings.progress_interval_seconds)
