"""A worker that dies, or falls asleep, at a chosen moment: before or after any transaction or call to the provider."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.session import Database

ASLEEP_WITH_LOCKS = "before a commit"
"""Nobody sleeps here: its locks would keep all others out, and no lease is lost where nobody can claim."""


class CrashPoints:
    """Counts the moments of one worker, and at number `at` stops it: for good, or until `wake`."""

    def __init__(self, at: int | None = None, *, sleeps: bool = False) -> None:
        self.passed = 0
        self.reached = asyncio.Event()
        self.where = ""
        self._at = at
        self.sleeps = sleeps
        self._awake = asyncio.Event()
        self.victim: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Let a sleeping worker go on."""
        self._awake.set()

    async def pass_inside(self, where: str) -> None:
        """A moment in the worker's own course."""
        if self._is_due(where):
            if not self.sleeps:
                raise asyncio.CancelledError
            await self._awake.wait()

    async def pass_outside(self, where: str) -> None:
        """A moment while the worker waits for its provider."""
        if self._is_due(where):
            if not self.sleeps:
                assert self.victim is not None
                self.victim.cancel()
                return
            await self._awake.wait()

    def _is_due(self, where: str) -> bool:
        current = asyncio.current_task()
        if self.victim is None or self.victim.done() or (current is not self.victim and "/v1/" not in where):
            return False
        if self.reached.is_set():
            return False
        self.passed += 1
        if self._at is None or self.passed < self._at or (self.sleeps and where == ASLEEP_WITH_LOCKS):
            return False
        self.where = where
        self.reached.set()
        return True


@asynccontextmanager
async def crashing_transactions(database: Database, points: CrashPoints) -> AsyncIterator[None]:
    """While the block lasts, each transaction has a moment before it begins, before its commit and after it."""
    original = database.transaction

    @asynccontextmanager
    async def transaction() -> AsyncIterator[AsyncSession]:
        await points.pass_inside("before a transaction")
        async with original() as session:
            yield session
            await points.pass_inside(ASLEEP_WITH_LOCKS)
        await points.pass_inside("after a commit")

    database.transaction = transaction  # type: ignore[method-assign]
    try:
        yield
    finally:
        database.transaction = original  # type: ignore[method-assign]
