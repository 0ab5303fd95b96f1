"""Whether a process can work: its stores are asked, all at once and for a bounded time. For each `/readyz`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from shared.stores.away import AWAY_OR_SILENT

PROBE_SECONDS: Final = 3.0
"""How long a store may take to answer. Orchestrators wait longer, so that they get the reason too."""
ALIVE: Final = {"status": "ok"}
"""The answer of `/livez`: the event loop turns."""

Probe = Callable[[], Awaitable[object]]
"""Raises when its store does not answer."""


async def probe_stores(probes: Mapping[str, Probe]) -> dict[str, bool]:
    """Return which stores answer in time."""
    answers = await asyncio.gather(*(answers_soon(probe) for probe in probes.values()))
    return dict(zip(probes, answers, strict=True))


async def answers_soon(probe: Probe) -> bool:
    """Say whether a store answers in time."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await probe()
    except AWAY_OR_SILENT:
        return False
    return True


def describe_readiness(stores: Mapping[str, bool], other_problems: Sequence[str] = ()) -> tuple[dict[str, Any], int]:
    """Return the body and the status of `/readyz`: 200, or 503 with what is wrong."""
    problems = [f"{name} is out of reach" for name, is_there in stores.items() if not is_there]
    problems += other_problems
    return {"status": "unavailable" if problems else "ready", "problems": problems}, 503 if problems else 200
