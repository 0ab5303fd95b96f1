"""One row in the hands of this process: when it was surely ours for the last time. See ADR 65."""

import asyncio
import time
from collections.abc import Callable

from services.workers.leases.death_count import DeathCount
from services.workers.leases.row_kind import Lease, LostRowError


class Hold:
    """Made by the keeper. Whoever works on the row asks `confirm` before anything that costs money or is seen outside;
    writes to the row are guarded by its attempt instead, so that a finished result can wait out a store."""

    def __init__(self, name: str, lease: Lease, hurry: Callable[[], None]) -> None:
        self.name = name
        """The row's, for logs."""
        self.is_lost = False
        self.on_lost: Callable[[], object] = do_nothing
        """Called once, when the row is lost."""
        self.deaths: DeathCount | None = None
        """Claims of the row that came to nothing, once work has begun."""
        self._seconds = lease.seconds
        self._confirmed_at = lease.begun_at
        self._hurry = hurry
        self._changed = asyncio.Event()

    @property
    def is_fresh(self) -> bool:
        """Whether nobody else can have the row: its lease has not run out since it was surely ours."""
        return not self.is_lost and time.monotonic() - self._confirmed_at < self._seconds

    async def confirm(self) -> None:
        """Return when the row is surely ours: at once while its lease runs, else after the next renewal that reaches
        the store. Raises: LostRowError when the row is lost before that."""
        if self.is_fresh:
            return
        self._hurry()
        while not self.is_fresh:
            if self.is_lost:
                raise LostRowError(self.name)
            self._changed.clear()
            await self._changed.wait()

    async def note_progress(self) -> None:
        """Something that lasts came of this claim: workers that were lost before it count no more."""
        if self.deaths is not None:
            await self.deaths.forget()

    def note_renewed(self, at: float) -> None:
        """The renewal that began at `at` (`time.monotonic()`) has found the row ours."""
        self._confirmed_at = max(self._confirmed_at, at)
        self._changed.set()

    def lose(self) -> None:
        """Stop the work: the row is another's, or nobody can say that it is ours."""
        if not self.is_lost:
            self.is_lost = True
            self._changed.set()
            self.on_lost()


def do_nothing() -> None:
    """Until somebody works on the row, nothing has to be stopped."""
