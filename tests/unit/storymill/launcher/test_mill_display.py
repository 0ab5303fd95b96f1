"""What a start looks like: lines in a log, a live table with a progress bar on a terminal."""

import io
import os

from rich.console import Console

from storymill.cli.mill_display import MillDisplay
from storymill.launcher.snapshot import MillPhase, MillSnapshot, ProcessIdentity, ProcessStatus


def make_snapshot(phase: MillPhase, *processes: ProcessStatus) -> MillSnapshot:
    return MillSnapshot(
        phase=phase,
        supervisor=ProcessIdentity.of(os.getpid()),
        gateway_url="http://127.0.0.1:8000",
        streaming_url="http://127.0.0.1:8001",
        processes=list(processes),
    )


def show_all(snapshots: list[MillSnapshot], *, terminal: bool) -> str:
    output = io.StringIO()
    with MillDisplay(Console(file=output, force_terminal=terminal, width=100)) as display:
        for snapshot in snapshots:
            display.show(snapshot)
    return output.getvalue()


def test_without_a_terminal_each_change_is_one_line() -> None:
    starting = ProcessStatus(name="engine", state="starting", message="1/4", progress=0.1)
    further = ProcessStatus(name="engine", state="starting", message="2/4", progress=0.2)
    ready = ProcessStatus(name="engine", state="ready")
    crashed = ProcessStatus(name="engine", state="restarting", message="was ended by [SIGKILL]")
    text = show_all(
        [
            *(make_snapshot("starting", status) for status in (starting, further, ready, ready)),
            *(make_snapshot("ready", status) for status in (ready, crashed, ready)),
            make_snapshot("stopping", ready),
        ],
        terminal=False,
    )
    assert text.splitlines() == [
        *("engine ready", "engine restarting: was ended by [SIGKILL]", "engine ready", "Stopping …"),
    ]


def test_stopping_a_mill_does_not_list_what_was_ready() -> None:
    ready = ProcessStatus(name="engine", state="ready")
    text = show_all([make_snapshot("ready", ready), make_snapshot("stopping", ready)], terminal=False)
    assert text.splitlines() == ["Stopping …"]


def test_on_a_terminal_a_slow_start_has_a_bar() -> None:
    starting = ProcessStatus(name="engine", state="starting", message="reading weights", progress=0.4)
    text = show_all([make_snapshot("starting", starting)], terminal=True)
    assert "━" in text
    assert "40%" in text
    assert "reading weights" in text
