"""What the demo stands on: a mill that runs for its length, and steps with their time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.rule import Rule

from storymill.cli.mill_display import MillDisplay
from storymill.cli.terminal import console
from storymill.cli.words import format_seconds
from storymill.launcher.detached import start_detached, stop_running
from storymill.launcher.options import DEFAULT_GATEWAY_PORT, DEFAULT_STREAMING_PORT, UpOptions
from storymill.launcher.ports import is_port_free
from storymill.launcher.snapshot import find_running
from storymill.launcher.state_dir import find_state_dir


class DemoClock:
    """Numbers the steps and knows how long all of it has taken."""

    def __init__(self) -> None:
        self._started_at = time.monotonic()
        self._steps = 0

    @property
    def elapsed_seconds(self) -> float:
        """Since the demo began."""
        return time.monotonic() - self._started_at

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print a heading, and at the end of the block how long it took."""
        self._steps += 1
        console.print()
        console.print(Rule(f"[bold]{self._steps}. {title}[/bold]", align="left"))
        started_at = time.monotonic()
        yield
        took = time.monotonic() - started_at
        console.print(f"[dim]{took:.1f} s · {format_seconds(self.elapsed_seconds)} in all[/dim]", highlight=False)


@contextmanager
def running_mill(clock: DemoClock, state_dir: Path, keep_running: bool) -> Iterator[None]:
    """Use the mill that runs on the state directory, or start one for the length of the demo."""
    state = find_state_dir(state_dir)
    if find_running(state) is not None:
        console.print("Using the Storymill that runs already.")
        yield
        return
    with clock.step("Start Postgres, Redis, engine, workers, streaming and gateway"), MillDisplay(console) as display:
        start_detached(choose_options(state.root), display.show)
    try:
        yield
    finally:
        if not keep_running:
            with clock.step("Stop everything"), MillDisplay(console) as display:
                stop_running(state, display.show)


def choose_options(state_root: Path) -> UpOptions:
    """Take the usual ports where they are free, others where not."""
    return UpOptions(
        state_dir=state_root,
        gateway_port=DEFAULT_GATEWAY_PORT if is_port_free(DEFAULT_GATEWAY_PORT) else 0,
        streaming_port=DEFAULT_STREAMING_PORT if is_port_free(DEFAULT_STREAMING_PORT) else 0,
    )
