"""The state directory: versions, strangers' folders, full and closed disks, one launcher at a time."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storymill.launcher.atomic_file import write_file
from storymill.launcher.errors import AlreadyRunningError, StateDirError
from storymill.launcher.state_dir import SCHEMA, is_locked, lock_state_dir, open_state_dir
from tests.support.synced_paths import watch_syncs


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow: a write then fails as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_new_state_directory_is_private_and_can_be_opened_again(tmp_path: Path) -> None:
    first = open_state_dir(tmp_path / "deep" / "state")
    assert first.root.stat().st_mode & 0o777 == 0o700
    assert open_state_dir(tmp_path / "deep" / "state") == first


@pytest.mark.parametrize(("schema", "age"), [(SCHEMA + 1, "newer"), (SCHEMA - 1, "older")])
def test_a_state_directory_of_another_version_is_refused_with_both_numbers(
    tmp_path: Path, schema: int, age: str
) -> None:
    (tmp_path / "version.json").write_text(json.dumps({"schema": schema}))
    with pytest.raises(StateDirError, match=f"{age} Storymill .layout {schema}, this one reads {SCHEMA}"):
        open_state_dir(tmp_path)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1")
    with pytest.raises(StateDirError, match="no state directory of Storymill"):
        open_state_dir(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_broken_version_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "version.json").write_text("{")
    with pytest.raises(StateDirError, match=r"version\.json cannot be read"):
        open_state_dir(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StateDirError, match="is not a folder"):
        open_state_dir(tmp_path / "state")


def test_a_nearly_full_disk_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(StateDirError, match="MB free, a start needs"):
        open_state_dir(tmp_path / "state", minimum_free_bytes=2**62)
    assert list((tmp_path / "state").iterdir()) == []


def test_a_disk_that_fills_up_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    write_file(path, "old")
    with full_disk(), pytest.raises(StateDirError, match="The disk is full"):
        write_file(path, "new")
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["credentials.json"]


def test_a_full_disk_fails_the_first_start_with_a_clear_message(tmp_path: Path) -> None:
    with full_disk(), pytest.raises(StateDirError, match="The disk is full"):
        open_state_dir(tmp_path / "state")


def test_a_folder_that_takes_no_files_is_named() -> None:
    # Not even root can write there.
    with pytest.raises(StateDirError, match="/proc/storymill"):
        open_state_dir(Path("/proc/storymill"))


def test_a_second_launcher_is_kept_out_until_the_first_lets_go(tmp_path: Path) -> None:
    state = open_state_dir(tmp_path / "state")
    with lock_state_dir(state):
        assert is_locked(state)
        with pytest.raises(AlreadyRunningError):
            lock_state_dir(state)
    assert not is_locked(state)


def test_a_file_and_its_name_are_on_the_disk_when_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = watch_syncs(monkeypatch)
    write_file(tmp_path / "secrets.json", "{}")
    assert [path.parent for path in synced] == [tmp_path, tmp_path.parent]
    synced.clear()
    write_file(tmp_path / "run.json", "{}", is_lasting=False)
    assert synced == []
