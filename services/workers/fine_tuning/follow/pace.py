"""How often a provider is asked: often while things happen, less and less while they do not."""

from typing import Final

from shared.outside.providers.fine_tuning_capabilities import Capabilities

GROWTH: Final = 1.5
QUIET_POLLS: Final = 4
"""So many polls without news before they become rarer."""
WAITING_FACTOR: Final = 2.0
"""A queued or paused job is asked for half as often from the start."""


class Pace:
    """The wait before the next poll of one job."""

    def __init__(self, can: Capabilities) -> None:
        self._shortest = can.running_poll_seconds
        self._longest = max(can.running_poll_seconds, can.slowest_poll_seconds)
        self._quiet = 0
        self._status = ""

    def note(self, status: str, *, is_quiet: bool) -> None:
        """Take note of a poll's outcome."""
        self._quiet = self._quiet + 1 if is_quiet and status == self._status else 0
        self._status = status

    @property
    def seconds(self) -> float:
        """The wait now."""
        first = self._shortest * (1.0 if self._status == "running" else WAITING_FACTOR)
        growth = GROWTH ** min(40, max(0, self._quiet - QUIET_POLLS))
        return min(self._longest, first * growth)
