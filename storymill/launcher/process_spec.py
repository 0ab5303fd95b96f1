"""What the launcher needs to know of a process to run it."""

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from storymill.launcher.child_command import Owner
from storymill.launcher.probes import ReadinessProbe


def prepare_nothing() -> None:
    """Most processes need nothing done before a start."""


@dataclass(frozen=True)
class ProcessSpec:
    """One process: how it is started, how it says that it is ready, how it is stopped."""

    name: str
    command: list[str]
    probe: ReadinessProbe
    log_file: Path
    environment: dict[str, str] = field(default_factory=dict)
    keeps_secrets: bool = False
    """Whether it gets the secrets of our environment too: it speaks to providers, proxies or trackers."""
    port: int | None = None
    owner: Owner | None = None
    """The user to run as, where it is not ours."""
    prepare: Callable[[], None] = prepare_nothing
    """Called before each start, the restarts too."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace_seconds: float = 10.0
    """How long it may take to stop before it is killed."""
    start_timeout_seconds: float = 180.0
    frozen_seconds: float = 20.0
    """After so long without any answer to its probe a process that was ready is taken for frozen, and killed."""
