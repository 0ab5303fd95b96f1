"""The Idempotency-Key of requests that make something: asked again with the same key, what was made is named again."""

import hashlib
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from services.engine.errors import InvalidRequestError

HEADER = "idempotency-key"
LONGEST_KEY = 255
"""In characters."""

Kind = Literal["file", "job"]


@dataclass(frozen=True)
class IdempotencyKey:
    """A client's key, with a digest of what it asked for."""

    kind: Kind
    key: str
    digest: str


def read_key(headers: Mapping[str, str], kind: Kind, asked_for: bytes) -> IdempotencyKey | None:
    """Return the key of a request, None if it has none. Raises: InvalidRequestError when it is too long."""
    key = headers.get(HEADER)
    if not key:
        return None
    if len(key) > LONGEST_KEY:
        raise InvalidRequestError(f"Idempotency-Key may have at most {LONGEST_KEY} characters.", param=HEADER)
    return IdempotencyKey(kind, key, hashlib.sha256(asked_for).hexdigest())


def find_made(connection: sqlite3.Connection, key: IdempotencyKey) -> str | None:
    """Return the id of what the key's first request made. Raises: InvalidRequestError if it asked for another."""
    query = "SELECT digest, made_id FROM idempotency_keys WHERE kind = ? AND key = ?"
    row = connection.execute(query, (key.kind, key.key)).fetchone()
    if row is None:
        return None
    if row["digest"] != key.digest:
        message = "This Idempotency-Key was used for another request before."
        raise InvalidRequestError(message, param=HEADER, code="idempotency_key_reused")
    made_id: str = row["made_id"]
    return made_id


def remember_made(connection: sqlite3.Connection, key: IdempotencyKey, made_id: str) -> None:
    """Note what the request made, in the transaction that makes it."""
    connection.execute(
        "INSERT OR REPLACE INTO idempotency_keys (kind, key, digest, made_id, created_at) VALUES (?, ?, ?, ?, ?)",
        (key.kind, key.key, key.digest, made_id, int(time.time())),
    )
