"""Gives memory that is free back to the system after large requests. The allocator keeps it otherwise: blocks of a few
megabytes come from the heap once such a block was freed, and what lies above them stays."""

import asyncio
import ctypes

LARGE_BYTES = 1024 * 1024
"""Of a request's body."""
QUIET_SECONDS = 2.0
"""After the last large request: until then its parts are in use."""


class FreeMemory:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def note_body(self, size: int) -> None:
        """Say that a body of so many bytes was read."""
        if size < LARGE_BYTES:
            return
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(QUIET_SECONDS, loop.run_in_executor, None, give_back)


def give_back() -> None:
    """Return free pages; nothing on systems whose allocator has no such call. Takes some milliseconds, without the
    interpreter's lock."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
