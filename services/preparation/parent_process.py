"""The process that began this one: a child ends with it, however it went."""

import os
import threading


def end_with_parent() -> None:
    """End this process, from now on, when its standard input does, which is the parent's to write."""
    threading.Thread(target=_wait_for_its_end, daemon=True).start()


def _wait_for_its_end() -> None:
    while os.read(0, 1):  # not through `sys.stdin`, whose lock a thread may not hold at the interpreter's end
        pass
    os._exit(1)
