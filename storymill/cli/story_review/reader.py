"""Reads from the gateway beside the screen: one wish at a time, and the newest replaces one that waits.

A thread that ends with the process, since a gateway that hangs must not keep a reviewer who leaves."""

import threading
from collections.abc import Callable
from typing import Any

from storymill.client.errors import ClientError

ReadWish = tuple[Callable[[], Any], Callable[[Any], None]]


class Reader:
    """Of one kind of things. Answers and ClientErrors are given to a wish's `then`, in this thread."""

    def __init__(self, name: str) -> None:
        self._wish: ReadWish | None = None
        self._changed = threading.Condition()
        self._is_closed = False
        threading.Thread(target=self._run, name=f"review-{name}", daemon=True).start()

    def ask(self, call: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Have something read, instead of what was asked for and has not begun."""
        with self._changed:
            self._wish = (call, then)
            self._changed.notify_all()

    def close(self) -> None:
        """End; what is under way is told to nobody."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while (wish := self._next()) is not None:
            call, then = wish
            try:
                answer = call()
            except ClientError as error:
                answer = error
            except RuntimeError:  # the connection was closed under it: the sitting is over
                if not self._is_closed:
                    raise
                return
            if not self._is_closed:
                then(answer)

    def _next(self) -> ReadWish | None:
        with self._changed:
            while self._wish is None and not self._is_closed:
                self._changed.wait()
            wish, self._wish = self._wish, None
            return None if self._is_closed else wish
