"""`storymill logs`: what the processes have written."""

import time
from typing import Annotated

import typer

from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption
from storymill.launcher.errors import LauncherError
from storymill.launcher.log_file import LogFollower, read_tail
from storymill.launcher.state_dir import StateDir, find_state_dir

POLL_SECONDS = 0.25


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.command()(logs)


def logs(
    name: Annotated[str | None, typer.Argument(help="One process; all of them if left out.")] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing what is written.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Lines to begin with, per process.")] = 50,
) -> None:
    """Print the end of the log of one process, or of all."""
    state = find_state_dir(state_dir)
    names = choose_logs(state, name)
    followers = {log: LogFollower(state.log_file(log)) for log in names}
    for log in names:
        for line in read_tail(state.log_file(log), lines):
            print_line(log, line, with_name=name is None)
    while follow:
        for log, follower in followers.items():
            for line in follower.read_new_lines():
                print_line(log, line, with_name=name is None)
        time.sleep(POLL_SECONDS)


def choose_logs(state: StateDir, name: str | None) -> list[str]:
    """Return the names to print. Raises: LauncherError that lists the known ones."""
    known = sorted(path.stem for path in state.logs.glob("*.log"))
    if name is None and known:
        return known
    if name in known:
        return [name]
    if not known:
        raise LauncherError(f"No logs in {state.logs}: `storymill up` writes them.")
    raise LauncherError(f"No log named {name}; there are: {', '.join(known)}.")


def print_line(name: str, line: str, *, with_name: bool) -> None:
    """Print one line, after the name of its process where several are mixed."""
    typer.echo(f"{name:<20} {line}" if with_name else line)
