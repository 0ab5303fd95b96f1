"""What the views of long work share: drawn anew in place on a terminal, and nothing to stop where there is none."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live


class LiveView:
    """Use as a context manager: the drawing ends with the block, whatever ends it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
