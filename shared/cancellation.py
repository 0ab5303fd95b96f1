"""Cancel background loops so that they do end: for loops, not for work that settles its books when it is cancelled.

In Python 3.11 `asyncio.wait_for`, which redis-py uses for its writes, swallows a cancellation that arrives
together with its result; the task must be asked again."""

import asyncio
from collections.abc import Iterable
from typing import Any

ASK_AGAIN_SECONDS = 0.1


async def cancel_tasks(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    """Return when every task has ended; what they raise is dropped."""
    pending = {task for task in tasks if task is not None and not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=ASK_AGAIN_SECONDS)
