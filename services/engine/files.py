"""Uploaded and result files: rows in the store, bytes in a folder. Knows no HTTP."""

import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from services.engine.idempotency import IdempotencyKey, find_made, remember_made
from services.engine.store import Store

Order = Literal["asc", "desc"]
UPLOAD_PREFIX = ".upload-"
"""Of files that are still being written: no file id begins so, and the sweep finds what broke off."""


@dataclass(frozen=True)
class StoredFile:
    """One file, as OpenAI describes it."""

    id: str
    bytes: int
    created_at: int
    filename: str
    purpose: str
    expires_at: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return OpenAI's file object."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
            "expires_at": self.expires_at,
        }


class FileStore:
    """Keeps files. Expired ones are gone for every caller, and their bytes go at the next sweep."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def start_upload(self) -> Path:
        """Name a new place to write bytes to, on the same disk as the files."""
        return self._folder / f"{UPLOAD_PREFIX}{secrets.token_hex(12)}"

    def add(
        self,
        upload: Path,
        filename: str,
        purpose: str,
        lifetime_seconds: int | None = None,
        key: IdempotencyKey | None = None,
    ) -> StoredFile:
        """Turn a finished upload into a file. The filename's folders are dropped; it is never used as a path.

        With a key that was used before, return the file made then, if it is still there. Raises: InvalidRequestError
        when the key came with another upload then.
        """
        now = int(time.time())
        expires_at = None if lifetime_seconds is None else now + lifetime_seconds
        stored = StoredFile(new_file_id(), upload.stat().st_size, now, clean_filename(filename), purpose, expires_at)
        with self._store.write() as connection:
            if key is not None:
                made_id = find_made(connection, key)
                if made_id is not None and (made := self.find(made_id)) is not None:
                    return made
                remember_made(connection, key, stored.id)
            upload.replace(self.path_of(stored.id))
            insert_file(connection, stored)
        return stored

    def add_bytes(self, file_id: str, content: bytes) -> Path:
        """Write the bytes of a file whose row is inserted elsewhere, replacing an earlier try."""
        upload = self.start_upload()
        upload.write_bytes(content)
        return upload.replace(self.path_of(file_id))

    def find(self, file_id: str) -> StoredFile | None:
        """Return the file, or None when it never was or is no more."""
        with self._store.read() as connection:
            row = connection.execute(
                "SELECT * FROM files WHERE id = ? AND (expires_at IS NULL OR expires_at > ?)",
                (file_id, int(time.time())),
            ).fetchone()
        return _from_row(row) if row else None

    def list(self, *, purpose: str | None, after: str | None, limit: int, order: Order) -> Sequence[StoredFile]:
        """Return up to `limit` files past the one named `after`; none when that one is unknown."""
        comparison, direction = ("<", "DESC") if order == "desc" else (">", "ASC")
        query = f"""
            SELECT * FROM files
            WHERE (expires_at IS NULL OR expires_at > :now) AND (:purpose IS NULL OR purpose = :purpose)
              AND (:after IS NULL OR number {comparison} (SELECT number FROM files WHERE id = :after))
            ORDER BY number {direction} LIMIT :limit
        """  # noqa: S608 both pieces are chosen above
        values = {"now": int(time.time()), "purpose": purpose, "after": after, "limit": limit}
        with self._store.read() as connection:
            return [_from_row(row) for row in connection.execute(query, values)]

    def delete(self, file_id: str) -> bool:
        """Remove a file; False when there was none. Jobs that use it keep their own link."""
        with self._store.write() as connection:
            found = connection.execute("DELETE FROM files WHERE id = ?", (file_id,)).rowcount > 0
        if found:
            self.path_of(file_id).unlink(missing_ok=True)
        return found

    def sweep(self, abandoned_after_seconds: float) -> None:
        """Remove expired files and the remains of uploads that broke off."""
        now = time.time()
        with self._store.read() as connection:
            expired = connection.execute("SELECT id FROM files WHERE expires_at <= ?", (int(now),)).fetchall()
        for row in expired:
            self.delete(row["id"])
        for path in self._folder.glob(f"{UPLOAD_PREFIX}*"):
            if now - path.stat().st_mtime > abandoned_after_seconds:
                path.unlink(missing_ok=True)

    def path_of(self, file_id: str) -> Path:
        """Where the file's bytes are. `file_id` must come from a stored file."""
        return self._folder / file_id


def new_file_id() -> str:
    """Make an id that says nothing about its file."""
    return f"file-{secrets.token_hex(12)}"


def clean_filename(filename: str) -> str:
    """Return the last part of what the client sent as a name, on whichever system."""
    return os.path.basename(filename.replace("\\", "/")).replace("\0", "") or "file"


def insert_file(connection: Any, stored: StoredFile) -> None:
    """Insert the row, inside the caller's transaction; a repeated insert of the same id changes nothing."""
    connection.execute(
        """
        INSERT OR IGNORE INTO files (id, number, bytes, created_at, filename, purpose, expires_at)
        VALUES (?, (SELECT COALESCE(MAX(number), 0) + 1 FROM files), ?, ?, ?, ?, ?)
        """,
        (stored.id, stored.bytes, stored.created_at, stored.filename, stored.purpose, stored.expires_at),
    )


def _from_row(row: Any) -> StoredFile:
    return StoredFile(row["id"], row["bytes"], row["created_at"], row["filename"], row["purpose"], row["expires_at"])
