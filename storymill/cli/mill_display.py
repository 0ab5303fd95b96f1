"""Show a mill as it starts, runs and stops: a live table on a terminal, plain lines elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from storymill.launcher.snapshot import MillSnapshot, ProcessStatus

MARKS = {"ready": ("●", "green"), "done": ("●", "green"), "restarting": ("●", "red"), "stopped": ("○", "dim")}
BAR_WIDTH = 24


class MillDisplay:
    """Feed it snapshots; it prints what changed. Use it as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=False, auto_refresh=False) if console.is_terminal else None
        self._is_live = False
        self._last_states: dict[str, tuple[str, str]] = {}
        self._last_phase = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_live()

    def show(self, snapshot: MillSnapshot) -> None:
        """Show the snapshot."""
        if self._live is not None and snapshot.phase == "starting":
            self._show_live(self._live, snapshot)
        else:
            self._end_live(snapshot)
            self._print_changes(snapshot)
        if snapshot.phase == "stopping" and self._last_phase != "stopping":
            self._console.print("Stopping …")
        self._last_phase = snapshot.phase

    def _show_live(self, live: Live, snapshot: MillSnapshot) -> None:
        if not self._is_live:
            live.start()
            self._is_live = True
        live.update(render_processes(snapshot), refresh=True)
        self._last_states = read_states(snapshot)

    def _end_live(self, snapshot: MillSnapshot | None = None) -> None:
        if self._live is None or not self._is_live:
            return
        if snapshot is not None:
            self._live.update(render_processes(snapshot), refresh=True)
            self._last_states = read_states(snapshot)
        self._live.stop()
        self._is_live = False

    def _print_changes(self, snapshot: MillSnapshot) -> None:
        states = read_states(snapshot)
        if not self._last_states and snapshot.phase == "ready":
            # Met a mill that runs already (`down`): what is ready is no news.
            self._last_states = states
        for name, (state, message) in states.items():
            if self._last_states.get(name) != (state, message) and is_worth_a_line(snapshot, state):
                detail = f": {message}" if message else ""
                self._console.print(f"{name} {state}{detail}", markup=False, highlight=False)
        self._last_states = states


def read_states(snapshot: MillSnapshot) -> dict[str, tuple[str, str]]:
    """Return what a line about each process would say. Messages that only count up are left out."""
    return {
        status.name: (status.state, status.message if status.state == "restarting" else "")
        for status in snapshot.processes
    }


def is_worth_a_line(snapshot: MillSnapshot, state: str) -> bool:
    """Leave out what is only on its way to something else."""
    if snapshot.phase in {"stopping", "stopped"}:
        return False
    return state not in {"waiting", "starting", "stopping", "stopped"}


def render_processes(snapshot: MillSnapshot) -> RenderableType:
    """Draw one line per process, with a bar where it tells its progress."""
    table = Table.grid(padding=(0, 2))
    for status in snapshot.processes:
        mark, colour = MARKS.get(status.state, ("○", "yellow"))
        table.add_row(Text(mark, style=colour), status.name, Text(status.state, style=colour), render_detail(status))
    return table


def render_detail(status: ProcessStatus) -> RenderableType:
    """Draw the progress bar, or the message, or nothing."""
    if status.progress is None:
        return Text(status.message, overflow="ellipsis", no_wrap=True)
    line = Table.grid(padding=(0, 1))
    line.add_row(
        ProgressBar(total=1.0, completed=status.progress, width=BAR_WIDTH),
        f"{status.progress:.0%}",
        Text(status.message, overflow="ellipsis", no_wrap=True),
    )
    return line
