"""A process that works on one run as a worker does, and dies while it makes the prompt of one row:
`python -m tests.support.dying_worker <run> <the row's number>`, with the stores in its environment."""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Any

from services.workers.generation.run import RecipeRun
from services.workers.generation.work_task import work_generation
from services.workers.process.context import open_context
from services.workers.process.settings import WorkerSettings
from shared.settings import Settings

render_prompt = RecipeRun.render_prompt


def die_at(number: int) -> None:
    """Make the prompt of the row with this number deadly, as a crash of the interpreter is."""

    def render(run: RecipeRun, attributes: Mapping[str, Any], repeat: int = 0) -> str:
        if attributes["number"] == number:
            os.kill(os.getpid(), 9)
        return render_prompt(run, attributes, repeat)

    RecipeRun.render_prompt = render  # type: ignore[method-assign,assignment]


async def main(generation_id: str) -> None:
    """Work on the run, as on a message of the reaper."""
    context = await open_context(Settings(), WorkerSettings())
    await work_generation(context, generation_id, was_unheld=True)


if __name__ == "__main__":
    die_at(int(sys.argv[2]))
    asyncio.run(main(sys.argv[1]))
