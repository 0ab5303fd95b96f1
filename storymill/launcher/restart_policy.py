"""When to start a crashed process again: soon at first, slowly once it keeps crashing."""

from collections import deque

FIRST_DELAY_SECONDS = 0.25
SLOW_DELAY_SECONDS = 15.0
WINDOW_SECONDS = 60.0
CRASHES_IN_WINDOW = 5


class RestartPolicy:
    """Remembers the crashes of one process. Times are seconds of a monotonic clock, given by the caller."""

    def __init__(self) -> None:
        self._crashes: deque[float] = deque()
        self.is_crash_loop = False
        """True from five crashes within a minute until the process has lived for a minute."""

    def record_crash(self, now: float) -> float:
        """Note a crash and return how many seconds to wait before the next start."""
        if self._crashes and now - self._crashes[-1] > WINDOW_SECONDS:
            self.is_crash_loop = False
        self._crashes.append(now)
        while self._crashes[0] < now - WINDOW_SECONDS:
            self._crashes.popleft()
        self.is_crash_loop = self.is_crash_loop or len(self._crashes) >= CRASHES_IN_WINDOW
        return SLOW_DELAY_SECONDS if self.is_crash_loop else self._quick_delay_seconds()

    def _quick_delay_seconds(self) -> float:
        return float(FIRST_DELAY_SECONDS * 2 ** (len(self._crashes) - 1))
