"""Sessions of browsers: opened with a key, good until logout, idleness, age, or the end of the key."""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared import ids
from shared.auth.keys import create_token, hash_key
from shared.auth.principal import Principal
from shared.clock import utc_now
from shared.errors import AuthenticationError
from shared.stores.db.models import ApiKey, ConsoleSession
from shared.stores.db.repositories import console_sessions
from shared.stores.db.session import Database

IDLE: Final = timedelta(hours=12)
OLDEST: Final = timedelta(days=7)
TRUSTED_SECONDS: Final = 2.0
"""How long a checked session is trusted unseen: after its key is revoked it is over within 5 s."""
TRUSTED_SESSIONS: Final = 10_000


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session, with the key that it stands for."""

    row: ConsoleSession
    key: ApiKey

    @property
    def principal(self) -> Principal:
        """Return who is behind it: its key's rights, no more."""
        return Principal(self.key.project_id, self.key.id, frozenset(self.key.scopes), self.row.id)


class Sessions:
    """The sessions, as one process sees them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._trusted: dict[str, tuple[OpenSession, float]] = {}

    async def open(self, principal: Principal) -> tuple[str, OpenSession]:
        """Open a session with a key's rights; returns its token, which is nowhere kept, and the session."""
        token = create_token()
        now = utc_now()
        async with self._database.transaction() as session:
            await console_sessions.delete_old_sessions(session, seen_before=now - OLDEST)
            await console_sessions.add_session(
                session,
                session_id=ids.new_id(ids.CONSOLE_SESSION),
                token_hash=hash_key(token),
                project_id=principal.project_id,
                api_key_id=principal.api_key_id,
                expires_at=now + OLDEST,
            )
        return token, await self.authenticate(token)

    async def authenticate(self, token: str) -> OpenSession:
        """Return the open session of a token. Raises: AuthenticationError (`session_ended`) when there is none."""
        token_hash = hash_key(token)
        known = self._trusted.get(token_hash)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        self._trusted.pop(token_hash, None)
        asked_at = time.monotonic()
        async with self._database.transaction() as session:
            found = await console_sessions.use_session(session, token_hash, now=utc_now(), idle=IDLE)
        if found is None:
            raise AuthenticationError("The session is over. Log in again.", code="session_ended")
        opened = OpenSession(*found)
        if len(self._trusted) >= TRUSTED_SESSIONS:
            self._trusted.clear()
        self._trusted[token_hash] = (opened, asked_at + TRUSTED_SECONDS)
        return opened

    async def end(self, token: str) -> None:
        """End a session for good; one that is over stays so."""
        token_hash = hash_key(token)
        async with self._database.transaction() as session:
            await console_sessions.delete_session(session, token_hash)
        self._trusted.pop(token_hash, None)
