"""How many processors this process may use: a container of two on a machine of sixteen has two, and more threads than
that only wait for one another."""

import math
import os
from pathlib import Path
from typing import Final

CONTROL_GROUP: Final = Path("/sys/fs/cgroup")


def count_processors(group: Path = CONTROL_GROUP) -> int:
    """Return the processors that we are bound to, or as many as our control group has the time of, if that is less; at
    least one. Reads `cpu.max` of cgroup v2, else the quota of v1."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = read_quota(group)
    return bound if quota is None else max(1, min(bound, math.ceil(quota)))


def read_quota(group: Path) -> float | None:
    """Return how many processors' time the group gets; None without a limit, or where none can be read."""
    try:
        words = (group / "cpu.max").read_text().split()
    except OSError:
        words = [read_word(group / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
    try:
        quota, period = (float(word) for word in words)
    except ValueError:  # `max`, or files that say something else
        return None
    return quota / period if quota > 0 and period > 0 else None


def read_word(path: Path) -> str:
    """Return a file's word; nothing where there is no file."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
