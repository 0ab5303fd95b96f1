"""Threads of one process that read long files, each in its turn.

Each line costs its parser, which holds the interpreter's lock. One such thread lets the event loop in within
milliseconds; of three that all want the lock, the loop was passed over for up to a second: who waits for the lock and
is not chosen within 5 ms goes to the end of the line (CPython's `take_gil`). So only one of them works at a time.
Nobody is kept out by a thread that never comes back: a turn is a time by the clock, not a lock that is held."""

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

Line = TypeVar("Line")

TURN_SECONDS: Final = 0.01

_reading: Final[list[object]] = []
"""Who reads at this moment, in the order of their turns."""


def in_turns(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield the lines, waiting between them while others have their turn. A process's only thread waits for nobody."""
    if threading.current_thread() is threading.main_thread():
        yield from lines
        return
    reader = object()
    _reading.append(reader)
    try:
        for line in lines:
            wait_for_turn(reader)
            yield line
    finally:
        _reading.remove(reader)


def wait_for_turn(reader: object) -> None:
    """Return when it is the reader's turn, which it is at once when nobody else reads."""
    while len(readers := tuple(_reading)) > 1:
        turn, passed = divmod(time.monotonic(), TURN_SECONDS)
        if readers[int(turn) % len(readers)] is reader:
            return
        time.sleep(TURN_SECONDS - passed)
