"""Who is connected stays so only as long as the key behind, and the console's session: one look for all open
connections of a process."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from shared.auth.principal import Principal
from shared.cancellation import cancel_tasks
from shared.clock import utc_now
from shared.errors import AuthenticationError
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.api_keys import find_active_ids
from shared.stores.db.repositories.console_sessions import find_open_ids
from shared.stores.db.session import Database

LOOK_SECONDS: Final = 2.0
"""How often keys are looked at: a connection ends within 5 s of its key's revocation, the look itself included."""
REVOKED: Final = "The API key was revoked."
SESSION_OVER: Final = "The console's session has ended."
REVOKED_OR_OVER: Final = "The API key was revoked, or the console's session has ended."

Behind = tuple[str, str | None]
"""The key behind a connection, and the session that it was used through."""

log = get_logger(__name__)


class KeyWatch:
    """Ends connections with their keys: one query every `look_seconds`, while anybody is connected."""

    def __init__(self, database: Database, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._database = database
        self._look_seconds = look_seconds
        self._ends: dict[Behind, set[Callable[[], None]]] = {}
        """What ends each connection, by what is behind it."""
        self._loop: asyncio.Task[None] | None = None

    @contextmanager
    def watching(self, principal: Principal, end: Callable[[], None]) -> Iterator[None]:
        """Call `end` if the key is revoked meanwhile, or the session ended. While the database is away, connections
        stay."""
        behind = (principal.api_key_id, principal.session_id)
        ends = self._ends.setdefault(behind, set())
        ends.add(end)
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._look_again_and_again(), name="key-watch")
        try:
            yield
        finally:
            ends.discard(end)
            if not ends and self._ends.get(behind) is ends:
                del self._ends[behind]

    async def require_active(self, principal: Principal) -> None:
        """Pass when key and session hold now. Raises: AuthenticationError when one was revoked or ended."""
        if not await self._find_active([(principal.api_key_id, principal.session_id)]):
            raise AuthenticationError(tell_end(principal))

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
        for behind in watched:
            if behind not in active:
                ends = self._ends.pop(behind, set())
                key_id, session_id = behind
                log.info("connections_ended_with_their_key", api_key=key_id, session=session_id, connections=len(ends))
                for end in ends:
                    end()

    async def _find_active(self, watched: list[Behind]) -> frozenset[Behind]:
        key_ids, session_ids = {key for key, _ in watched}, {session for _, session in watched if session is not None}
        async with self._database.transaction() as session:
            keys = await find_active_ids(session, list(key_ids))
            sessions = await find_open_ids(session, list(session_ids), utc_now()) if session_ids else frozenset()
        return frozenset(
            behind for behind in watched if behind[0] in keys and (behind[1] is None or behind[1] in sessions)
        )


def tell_end(principal: Principal) -> str:
    """Return why a connection of this principal was ended."""
    return REVOKED if principal.session_id is None else SESSION_OVER
