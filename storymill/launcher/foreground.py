"""Run a mill in this process, from the state directory's lock to the last child's end."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from storymill.launcher.atomic_file import explain_write_failure
from storymill.launcher.leftovers import end_leftovers
from storymill.launcher.mill import plan_mill
from storymill.launcher.options import UpOptions
from storymill.launcher.snapshot import MillSnapshot
from storymill.launcher.state_dir import lock_state_dir, open_state_dir
from storymill.launcher.supervisor import Supervisor


def run_mill(options: UpOptions, on_change: Callable[[MillSnapshot], None]) -> None:
    """Start the mill and return after it was asked to stop and has.

    Raises: LauncherError when it cannot be started; nothing is left running then.
    """
    state = open_state_dir(options.state_dir)
    with lock_state_dir(state):
        end_leftovers(state)
        try:
            plan = plan_mill(options, state)
        except OSError as error:
            raise explain_write_failure(Path(error.filename or state.root), error) from error

        async def supervise() -> None:
            await Supervisor(plan, state, on_change).run()

        asyncio.run(supervise())
