"""Watching goes on through a restart of the mill: what is watched does, too."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from rich.console import Console

from storymill.cli.terminal import say
from storymill.client.errors import ApiError, UnreachableError

Answer = TypeVar("Answer")

PATIENCE_SECONDS: Final = 900.0
"""A restart takes seconds, an upgrade minutes."""
PAUSE_SECONDS: Final = 1.0
PASSING: Final = frozenset({502, 503, 504})
"""The gateway is there again and its stores are not yet, or a proxy stands before it."""


class Patience:
    """Of one watcher, who tells `console` what there is to say and waits by `pause` between two looks. A mill that has
    not answered once is not waited for: its address may be wrong."""

    def __init__(self, console: Console, pause: Callable[[float], object] | None = None) -> None:
        self.console = console
        self.pause = pause or time.sleep
        self._has_answered = False

    def ask(self, call: Callable[[], Answer]) -> Answer:
        """Return what a call returns, made again while the mill is away. Raises: ClientError when the mill refuses, or
        stays away for too long."""
        lost_at: float | None = None
        while True:
            try:
                answer = call()
            except (UnreachableError, ApiError) as error:
                if not self._has_answered or not is_passing(error):
                    raise
                if lost_at is None:
                    lost_at = time.monotonic()
                    say("The mill does not answer. It is waited for; Ctrl-C leaves.", style="yellow", to=self.console)
                elif time.monotonic() - lost_at > PATIENCE_SECONDS:
                    raise
                self.pause(PAUSE_SECONDS)
            else:
                if lost_at is not None:
                    say("The mill answers again.", style="green", to=self.console)
                self._has_answered = True
                return answer


def is_passing(error: UnreachableError | ApiError) -> bool:
    """Say whether the same call may succeed a moment later."""
    return isinstance(error, UnreachableError) or error.status in PASSING
