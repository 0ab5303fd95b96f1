"""Bytes under their SHA-256, in a folder or in whatever else fsspec reaches. Written before the row that names them.

Blocking: call it in a thread. Knows nothing of files' names, owners or rows."""

import contextlib
import errno
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import UnsupportedOperation
from pathlib import Path
from typing import IO, Any, Final

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

PIECE_BYTES: Final = 1 << 20
CANNOT_SYNC: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EROFS})
"""What a file system says that has no such thing: all else is a failure of the disk."""
TIME_NAMES: Final = ("mtime", "LastModified", "updated", "last_modified")
"""What local folders, S3, Google and Azure call the time at which an object was made."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """The name of bytes that were put, and how many they are."""

    sha256: str
    bytes: int


class ObjectStore:
    """One folder of objects. Equal bytes are kept once."""

    def __init__(self, location: str) -> None:
        self._files, self._root = url_to_fs(location)
        self._is_local = isinstance(self._files, LocalFileSystem)

    def put(self, source: IO[bytes]) -> StoredObject:
        """Copy `source` from where it stands to its end; the object appears whole or not at all."""
        incoming = f"{self._root}/incoming/{secrets.token_hex(16)}"
        self._files.makedirs(self._parent(incoming), exist_ok=True)
        try:
            stored = self._copy(source, incoming)
            path = self._path(stored.sha256)
            if self._files.exists(path):
                self._files.rm_file(incoming)
            else:
                self._files.makedirs(self._parent(path), exist_ok=True)
                self._files.mv(incoming, path)
            self._sync_name(path)
        except BaseException:
            with contextlib.suppress(OSError):
                self._files.rm_file(incoming)
            raise
        return stored

    def put_file(self, path: Path) -> StoredObject:
        """Copy a local file."""
        with path.open("rb") as source:
            return self.put(source)

    def exists(self, sha256: str) -> bool:
        """Say whether the object is there."""
        return bool(self._files.exists(self._path(sha256)))

    def open(self, sha256: str) -> IO[bytes]:
        """Open the object, seekable. Raises: FileNotFoundError when the store has none such."""
        opened: IO[bytes] = self._files.open(self._path(sha256), "rb")
        return opened

    def read_pieces(self, sha256: str) -> Iterator[bytes]:
        """Yield the object in pieces. Raises: FileNotFoundError when the store has none such."""
        with self.open(sha256) as source:
            while piece := source.read(PIECE_BYTES):
                yield piece

    def fetch(self, sha256: str, target: Path) -> None:
        """Copy the object to a local file. Raises: FileNotFoundError when the store has none such; the file is empty
        then."""
        with target.open("wb") as out:
            for piece in self.read_pieces(sha256):
                out.write(piece)

    def remove(self, sha256: str) -> None:
        """Drop the object; nothing happens if it is not there."""
        with contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(sha256))

    def iterate_old(self, seconds: float) -> Iterator[str]:
        """Yield the hashes of objects that were made longer ago than that."""
        for path, details in self._list("sha256"):
            if _age_seconds(details) > seconds:
                yield path.rpartition("/")[2]

    def drop_old_incoming(self, seconds: float) -> int:
        """Drop what was never finished and is older than that; return how many pieces."""
        old = [path for path, details in self._list("incoming") if _age_seconds(details) > seconds]
        for path in old:
            with contextlib.suppress(FileNotFoundError):
                self._files.rm_file(path)
        return len(old)

    def _list(self, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield paths and their details; folder by folder, so that a large store is never listed at once."""
        for _, _, found in self._files.walk(f"{self._root}/{folder}", detail=True):
            for details in found.values():
                yield details["name"], details

    def _copy(self, source: IO[bytes], path: str) -> StoredObject:
        digest, size = hashlib.sha256(), 0
        with self._files.open(path, "wb") as out:
            while piece := source.read(PIECE_BYTES):
                digest.update(piece)
                size += len(piece)
                out.write(piece)
            _sync(out)
        return StoredObject(digest.hexdigest(), size)

    def _sync_name(self, path: str) -> None:
        """Have the object's name outlive a power cut, too: it stands in its folder, a new folder's in the one above.
        Also for an object that was there: whoever put it may have come no further than the rename."""
        if self._is_local:
            for folder in (self._parent(path), f"{self._root}/sha256", self._root):
                sync_folder(folder)

    def _path(self, sha256: str) -> str:
        return f"{self._root}/sha256/{sha256[:2]}/{sha256}"

    @staticmethod
    def _parent(path: str) -> str:
        return path.rpartition("/")[0]


def _age_seconds(details: dict[str, Any]) -> float:
    """How long ago an object was made; stores differ in name and type of the time. Without one it is new."""
    made = next((details[name] for name in TIME_NAMES if name in details), None)
    if isinstance(made, datetime):
        return (datetime.now(UTC) - made).total_seconds()
    return time.time() - made if isinstance(made, int | float) else 0.0


def _sync(out: Any) -> None:
    """A row that outlives a power cut must not outlive its bytes: a disk that is full or broken is told here, at the
    latest. Remote stores have no file number."""
    out.flush()
    try:
        descriptor = out.fileno()
    except (AttributeError, UnsupportedOperation):
        return
    _sync_if_able(descriptor)


def sync_folder(path: str) -> None:
    """Wait until the names in a local folder are on the disk. Some file systems cannot, and need not, be told."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _sync_if_able(descriptor)
    finally:
        os.close(descriptor)


def _sync_if_able(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise
