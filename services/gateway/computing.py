"""Work of the gateway's own that takes the processor for a while (grids, templates, rows of a run): beside the event
loop, on few threads, and one piece of a project at a time, so that no project can take them all."""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from services.gateway.project_turns import ProjectTurns

P = ParamSpec("P")
T = TypeVar("T")

THREADS: Final = 2
SWITCH_SECONDS: Final = 0.001
"""How long a computing thread keeps the interpreter's lock when the loop wants it; Python's own 5 ms add up, since
every answer takes it some ten times."""


class Computing:
    """The threads, and whose turn it is."""

    def __init__(self) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="computing")
        self._turns = ProjectTurns()

    async def run(self, project_id: str, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `work` returns. Raises: what it raises."""
        loop = asyncio.get_running_loop()
        async with self._turns.of(project_id):
            return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))

    def close(self) -> None:
        """Drop what has not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)
