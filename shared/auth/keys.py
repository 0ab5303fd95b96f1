"""API keys as strings: how one is made, shown and hashed. Knows nothing of the database."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

KEY_PREFIX: Final = "sm_"
SECRET_BYTES: Final = 32
"""256 random bits: a plain hash is enough, since there is nothing to guess."""
SHOWN_CHARACTERS: Final = 10


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at its birth, the only moment at which its secret is known."""

    secret: str
    key_hash: str
    shown_prefix: str


def create_key() -> NewKey:
    """Return a fresh random key."""
    secret = KEY_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    return NewKey(secret, hash_key(secret), secret[:SHOWN_CHARACTERS])


def create_token() -> str:
    """Return the secret of a session, as random as a key's."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_key(secret: str) -> str:
    """Return the hash under which a key, or a session's token, is stored."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
