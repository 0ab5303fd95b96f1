"""Who is connected stays so only as long as the key behind: one look for all open connections of a process."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from shared.auth.principal import Principal
from shared.cancellation import cancel_tasks
from shared.errors import AuthenticationError
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.api_keys import find_active_ids
from shared.stores.db.session import Database

LOOK_SECONDS: Final = 2.0
"""How often keys are looked at: a connection ends within 5 s of its key's revocation, the look itself included."""
REVOKED: Final = "The API key was revoked."

log = get_logger(__name__)


class KeyWatch:
    """Ends connections with their keys: one query every `look_seconds`, while anybody is connected."""

    def __init__(self, database: Database, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._database = database
        self._look_seconds = look_seconds
        self._ends: dict[str, set[Callable[[], None]]] = {}
        """What ends each connection, by the key's id."""
        self._loop: asyncio.Task[None] | None = None

    @contextmanager
    def watching(self, principal: Principal, end: Callable[[], None]) -> Iterator[None]:
        """Call `end` if the key is revoked meanwhile. While the database is away, connections stay."""
        ends = self._ends.setdefault(principal.api_key_id, set())
        ends.add(end)
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._look_again_and_again(), name="key-watch")
        try:
            yield
        finally:
            ends.discard(end)
            if not ends and self._ends.get(principal.api_key_id) is ends:
                del self._ends[principal.api_key_id]

    async def require_active(self, principal: Principal) -> None:
        """Pass when the key holds now. Raises: AuthenticationError when it was revoked."""
        if not await self._find_active([principal.api_key_id]):
            raise AuthenticationError(REVOKED)

    async def stop(self) -> None:
        """Stop looking."""
        await cancel_tasks([self._loop])

    async def _look_again_and_again(self) -> None:
        while self._ends:
            await asyncio.sleep(self._look_seconds)
            try:
                await self._look()
            except STORE_AWAY as error:
                log.warning("keys_not_looked_at", error=str(error))
            except Exception:  # a defect of ours must not end the looking
                log.exception("keys_not_looked_at")

    async def _look(self) -> None:
        watched = list(self._ends)
        active = await self._find_active(watched)
        for key_id in watched:
            if key_id not in active:
                ends = self._ends.pop(key_id, set())
                log.info("connections_ended_with_their_key", api_key=key_id, connections=len(ends))
                for end in ends:
                    end()

    async def _find_active(self, key_ids: list[str]) -> frozenset[str]:
        async with self._database.transaction() as session:
            return await find_active_ids(session, key_ids)
