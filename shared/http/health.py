"""Whether a process can work: its stores are asked, all at once and for a bounded time, and the disk is looked at. For
each `/readyz`."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from shared.stores.away import AWAY_OR_SILENT

PROBE_SECONDS: Final = 3.0
"""How long a store may take to answer. Orchestrators wait longer, so that they get the reason too."""
ALIVE: Final = {"status": "ok"}
"""The answer of `/livez`: the event loop turns."""
FULL_DISK_BYTES: Final = 32 * 1024 * 1024
"""With less there is no room for what a store writes at once: Postgres makes files of 16 MiB."""
FULL_DISK_WORDS: Final = ("MISCONF", "No space left")
"""What Redis and Postgres say when theirs takes no more."""

Probe = Callable[[], Awaitable[object]]
"""Raises when its store does not answer."""


async def find_problems(probes: Mapping[str, Probe], folder: str | None = None) -> list[str]:
    """Return what is wrong, as sentences without an end: stores that do not answer in time, and a full disk, of the
    folder of ours that is named."""
    answers = await asyncio.gather(*(find_problem(name, probe) for name, probe in probes.items()))
    full = await asyncio.to_thread(find_full_disk, folder) if folder is not None else None
    return [problem for problem in (*answers, full) if problem is not None]


async def find_problem(name: str, probe: Probe) -> str | None:
    """Return what is wrong with a store, None when it answers in time."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await probe()
    except AWAY_OR_SILENT as error:
        is_full = any(word in str(error) for word in FULL_DISK_WORDS)
        return f"{name} cannot write: its disk is full" if is_full else f"{name} is out of reach"
    return None


def find_full_disk(folder: str) -> str | None:
    """Return what is wrong with the disk of a folder; nothing of what is no folder of this machine."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return None
    if free >= FULL_DISK_BYTES:
        return None
    return f"the disk of {folder} is full ({free // 2**20} MiB free)"


def describe_readiness(problems: Sequence[str]) -> tuple[dict[str, Any], int]:
    """Return the body and the status of `/readyz`: 200, or 503 with what is wrong."""
    return {"status": "unavailable" if problems else "ready", "problems": list(problems)}, 503 if problems else 200
