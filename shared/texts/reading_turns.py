"""Threads of one process that read long files, each in its turn.

Each line costs its parser, which holds the interpreter's lock. Where three threads wanted it all the time, the event
loop was passed over for up to a second: who waits for the lock and is not chosen within 5 ms goes to the end of the
line (CPython's `take_gil`). So only one of them works at a time, and none without a pause. Nobody is kept out by a
thread that never comes back: a turn is a time by the clock, not a lock that is held."""

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

Line = TypeVar("Line")

TURN_SECONDS: Final = 0.01
WORK_SECONDS: Final = 0.009
"""Of a turn. In the rest nobody reads: even a single thread kept the loop out for half a second at times."""

_reading: Final[list[object]] = []
"""Who reads at this moment, in the order of their turns."""


def in_turns(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield the lines, waiting between them while it is not our turn. A process's first thread waits for nobody."""
    if threading.current_thread() is threading.main_thread():
        yield from lines
        return
    reader = object()
    _reading.append(reader)
    until = 0.0
    try:
        for line in lines:
            if time.monotonic() >= until:
                until = wait_for_turn(reader)
            yield line
    finally:
        _reading.remove(reader)


def wait_for_turn(reader: object) -> float:
    """Return when it is the reader's turn, and not in its last moment, which is the loop's: until when it may work."""
    while True:
        readers = tuple(_reading)
        turn, passed = divmod(time.monotonic(), TURN_SECONDS)
        ahead = (readers.index(reader) - int(turn)) % len(readers)
        if not ahead and passed < WORK_SECONDS:
            return turn * TURN_SECONDS + WORK_SECONDS
        time.sleep((ahead or len(readers)) * TURN_SECONDS - passed)
