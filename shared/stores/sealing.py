"""Secrets that a row must keep readable for us, sealed with the installation's key: who has the database alone, or its
backup, reads none. Without a key they are kept as they are."""

import base64
import hashlib
from collections.abc import Callable
from functools import partial
from typing import Final

from cryptography.fernet import Fernet, InvalidToken

from shared.errors import StorymillError
from shared.secret_files import read_secret

KEY_VARIABLE: Final = "STORYMILL_ENCRYPTION_KEY"
FEWEST_KEY_CHARS: Final = 32
"""Of `openssl rand -base64 32` there are 44."""
SEALED: Final = "sealed:"
READ_KEYS: Final = partial(read_secret, KEY_VARIABLE)
FINGERPRINT_DIGITS: Final = 8


class SealError(StorymillError):
    """A sealed secret cannot be opened with the keys that there are, or a key is none."""

    default_code = "secret_unreadable"


class SecretSeal:
    """The key is read whenever it is needed, so that a changed file counts at once. Several, parted by white space or
    commas: the first seals, all open."""

    def __init__(self, read_keys: Callable[[], str | None] = READ_KEYS) -> None:
        self._read_keys = read_keys

    @property
    def prefix(self) -> str:
        """What is sealed with the present key begins so; empty when there is no key."""
        keys = self._list_keys()
        return f"{SEALED}{fingerprint_key(keys[0])}:" if keys else ""

    def seal(self, secret: str) -> str:
        """Return a secret as it may be stored. Raises: SealError for a key that is too short."""
        keys = self._list_keys()
        if not keys:
            return secret
        return f"{SEALED}{fingerprint_key(keys[0])}:{make_fernet(keys[0]).encrypt(secret.encode()).decode()}"

    def unseal(self, stored: str) -> str:
        """Return a stored secret. Raises: SealError when none of the keys is the one that it was sealed with."""
        if not stored.startswith(SEALED):
            return stored
        fingerprint, _, token = stored.removeprefix(SEALED).partition(":")
        for key in self._list_keys():
            if fingerprint_key(key) == fingerprint:
                return open_token(key, token)
        raise SealError(
            f"A stored secret was sealed with another key than {KEY_VARIABLE} (its fingerprint is {fingerprint}): "
            "give that key too, behind the present one, or make the secret anew."
        )

    def reseal(self, stored: str) -> str:
        """Return a stored secret sealed with the present key. Raises: SealError as `unseal`."""
        return self.seal(self.unseal(stored))

    def _list_keys(self) -> list[str]:
        keys = (self._read_keys() or "").replace(",", " ").split()
        if any(len(key) < FEWEST_KEY_CHARS for key in keys):
            raise SealError(f"{KEY_VARIABLE} has a key of fewer than {FEWEST_KEY_CHARS} characters.")
        return keys


def fingerprint_key(key: str) -> str:
    """Return what tells a key from others and says nothing of it."""
    return hashlib.sha256(f"fingerprint:{key}".encode()).hexdigest()[:FINGERPRINT_DIGITS]


def make_fernet(key: str) -> Fernet:
    """Return the cipher of a key, of whatever form: keys are random, so one hash makes one of the right length."""
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"key:{key}".encode()).digest()))


def open_token(key: str, token: str) -> str:
    """Return what was sealed. Raises: SealError when the stored text was changed."""
    try:
        return make_fernet(key).decrypt(token.encode()).decode()
    except InvalidToken:
        raise SealError("A stored secret was changed in the database and cannot be opened: make it anew.") from None
