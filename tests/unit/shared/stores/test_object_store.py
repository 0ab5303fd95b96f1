"""Objects outlive a power cut: their bytes, and the names under which they are found."""

import errno
import hashlib
import io
import os
from pathlib import Path

import pytest

from shared.stores.objects.object_store import ObjectStore
from tests.support.synced_paths import watch_syncs


def test_an_object_and_its_name_are_on_the_disk_when_it_is_put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore(str(tmp_path))
    synced = watch_syncs(monkeypatch)
    stored = store.put(io.BytesIO(b"a story"))
    bytes_first, *names = synced
    assert bytes_first.parent == tmp_path / "incoming"
    assert names == [tmp_path / "sha256" / stored.sha256[:2], tmp_path / "sha256", tmp_path]
    synced.clear()
    assert store.put(io.BytesIO(b"a story")) == stored
    assert synced[1:] == names


def test_a_store_that_is_no_folder_is_told_nothing_of_names() -> None:
    store = ObjectStore("memory://objects-of-this-test")
    stored = store.put(io.BytesIO(b"a story"))
    assert b"".join(store.read_pieces(stored.sha256)) == b"a story"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_cannot_keep_the_bytes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    store = ObjectStore(str(tmp_path))
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=os.strerror(code)):
        store.put(io.BytesIO(b"a story"))
    assert not store.exists(hashlib.sha256(b"a story").hexdigest())


def test_a_file_system_that_knows_no_sync_is_used_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", fail)
    stored = ObjectStore(str(tmp_path)).put(io.BytesIO(b"a story"))
    assert ObjectStore(str(tmp_path)).exists(stored.sha256)
