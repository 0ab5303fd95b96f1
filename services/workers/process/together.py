"""Do several things at once that stand and fall together."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def run_together(jobs: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Return when all are done; when one fails, the others are cancelled, and its error is raised as it is: a group's
    name says nothing, and hides from who handles it a store that is away. Raises: ExceptionGroup when several fail,
    each with an error of another kind."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except ExceptionGroup as failed:
        if len({type(error) for error in failed.exceptions}) > 1:
            raise
        raise failed.exceptions[0] from None
