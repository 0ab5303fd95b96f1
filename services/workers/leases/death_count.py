"""How many claims of a row, one after the other, came to nothing: each ended with its worker, or a defect of ours.

Kept in Redis, from a row's second claim on: raised when the work begins, taken back when the row is handed back or lost
or a store is away, and forgotten with anything that lasts. Of rows that several workers hold at once only defects are
counted. If Redis loses it, it begins anew. Stories are counted from the books: each of their claims is a call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from redis.asyncio import Redis

from services.workers.leases.row_kind import LostRowError
from shared.contracts.storable import decode_text
from shared.observability.logs import get_logger
from shared.stores.away import AWAY_OR_SILENT, STORE_AWAY, StatementTimeoutError

REMEMBER_SECONDS: Final = 24 * 3600
"""Claims further apart than this are not in a row."""
LONGEST_WAIT_SECONDS: Final = 1.0
COUNT: Final = "count"
DEFECT: Final = "defect"

log = get_logger(__name__)


class DeathCount:
    """How many claims of one row, one after the other, came to nothing."""

    def __init__(self, redis: Redis, kind: str, row_id: str) -> None:
        self._redis = redis
        self._key = f"deaths:{kind}:{row_id}"
        self._is_counted = False
        """This claim is part of the count."""
        self.count = 0
        """Before this claim."""
        self.defect: str | None = None

    async def begin(self, *, counts: bool = True) -> None:
        """Read the count; with `counts`, raise it by this claim, which may end with the worker."""
        async with self._unless_away("read"):
            count, defect = await self._redis.hmget(self._key, COUNT, DEFECT)
            self.count = int(count or 0)
            self.defect = decode_text(defect) if isinstance(defect, bytes) else defect
            if counts:
                await self._raise()

    async def forget(self) -> None:
        """Something that lasts came of this claim."""
        if self.count or self._is_counted:
            self.count, self._is_counted = 0, False
            async with self._unless_away("forget"):
                await self._redis.delete(self._key)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Do the work of the claim inside: what it ends with says whether the claim counts."""
        try:
            yield
        except StatementTimeoutError as error:  # it may be this row's statement that takes too long
            await self._note_defect(error)
            raise
        except (LostRowError, *STORE_AWAY):
            await self._take_back()
            raise
        except Exception as error:
            await self._note_defect(error)
            raise
        except BaseException:  # cancelled: the row is handed back, or another's
            await self._take_back()
            raise
        await self.forget()

    async def _raise(self) -> None:
        await self._redis.hincrby(self._key, COUNT, 1)
        self._is_counted = True
        await self._redis.expire(self._key, REMEMBER_SECONDS)

    async def _take_back(self) -> None:
        if self._is_counted:
            self._is_counted = False
            async with self._unless_away("take back"):
                await self._redis.hincrby(self._key, COUNT, -1)

    async def _note_defect(self, error: Exception) -> None:
        async with self._unless_away("note a defect"):
            if not self._is_counted:
                await self._raise()
            await self._redis.hset(self._key, DEFECT, type(error).__name__)

    @asynccontextmanager
    async def _unless_away(self, what: str) -> AsyncIterator[None]:
        """Go on without the count: the work, and a worker that stops, must not wait for it."""
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                yield
        except AWAY_OR_SILENT as error:
            log.warning("deaths_not_reached", key=self._key, what=what, error=str(error))
