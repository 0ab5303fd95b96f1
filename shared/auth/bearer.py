"""Bearer keys into principals, for every service that takes requests: one database look per key every few seconds."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from shared.auth.keys import KEY_PREFIX, hash_key
from shared.auth.principal import Principal
from shared.auth.wrong_keys import WrongKeys
from shared.errors import AuthenticationError
from shared.stores.db.repositories.api_keys import find_active_key
from shared.stores.db.session import Database

CACHE_SECONDS: Final = 4.0
"""How long a checked key is trusted unseen. With the look itself, a revoked key fails within 5 s."""
CACHE_ENTRIES: Final = 10_000
WRONG_ENTRIES: Final = 1_000
LONGEST_KEY: Final = 256
HOW_TO_SEND = "Send your API key as 'Authorization: Bearer sm_...'."


class Authenticator:
    """Checks keys against the database, with a small cache. One per process."""

    def __init__(
        self,
        database: Database,
        *,
        cache_seconds: float = CACHE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._cache_seconds = cache_seconds
        self._monotonic = monotonic
        self._checked: dict[str, tuple[Principal, float]] = {}
        self._wrong: dict[str, float] = {}
        """Keys that were none at the last look, and until when that is believed."""
        self._wrong_keys = WrongKeys(monotonic)
        self._looks: dict[str, asyncio.Task[Principal | None]] = {}

    async def authenticate(self, authorization: str | None, address: str | None = None) -> Principal:
        """Return who is behind an `Authorization` header; `address` is whose wrong keys are counted.

        Raises: AuthenticationError when it holds no key, or one that is unknown or revoked; RateLimitedError after too
        many such."""
        key_hash = hash_key(read_bearer(authorization))
        known = self._checked.get(key_hash)
        if known is not None and known[1] > self._monotonic():
            return known[0]
        if address is not None:
            self._wrong_keys.require_patience(address)
        is_wrong = self._wrong.get(key_hash, 0.0) > self._monotonic()
        principal = None if is_wrong else await self._look_once(key_hash)
        if principal is None:
            if address is not None:
                self._wrong_keys.note(address)
            raise AuthenticationError("Incorrect API key provided: it is unknown or revoked.")
        return principal

    async def _look_once(self, key_hash: str) -> Principal | None:
        """Look in the database; callers with the same key at the same time share one look."""
        look = self._looks.get(key_hash)
        if look is None:
            look = self._looks[key_hash] = asyncio.create_task(self._look(key_hash))
            look.add_done_callback(lambda _: self._looks.pop(key_hash, None))
        return await asyncio.shield(look)

    async def _look(self, key_hash: str) -> Principal | None:
        asked_at = self._monotonic()
        async with self._database.transaction() as session:
            key = await find_active_key(session, key_hash)
        if key is None:
            self._checked.pop(key_hash, None)
            if len(self._wrong) >= WRONG_ENTRIES:
                self._wrong.clear()
            self._wrong[key_hash] = asked_at + self._cache_seconds
            return None
        principal = Principal(key.project_id, key.id, frozenset(key.scopes))
        if len(self._checked) >= CACHE_ENTRIES:
            self._checked.clear()
        self._checked[key_hash] = (principal, asked_at + self._cache_seconds)
        return principal


def read_bearer(authorization: str | None) -> str:
    """Return the key in an `Authorization` header. Raises: AuthenticationError that says what is wrong."""
    if not authorization:
        raise AuthenticationError(f"You didn't provide an API key. {HOW_TO_SEND}")
    scheme, _, key = authorization.strip().partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise AuthenticationError(f"The Authorization header is not a bearer key. {HOW_TO_SEND}")
    if not key.startswith(KEY_PREFIX) or len(key) > LONGEST_KEY:
        raise AuthenticationError(f"Incorrect API key provided: keys of this server begin with '{KEY_PREFIX}'.")
    return key
