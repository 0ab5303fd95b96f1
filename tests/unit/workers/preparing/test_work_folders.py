"""Folders of dead workers are swept, those of living ones are not."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from services.workers.preparing.work_folders import PREFIX, UNLOCKED_SECONDS, open_work_folder, sweep_folders

OWNER = """
import sys
from services.workers.preparing.work_folders import open_work_folder
with open_work_folder() as folder:
    (folder / "rows.jsonl").write_text("rows")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder for this test alone, in this process and its children."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_folder_of_a_killed_worker_is_swept_and_that_of_a_living_one_stays() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        left = Path(owner.stdout.readline().strip())
        with open_work_folder() as mine:
            assert sweep_folders() == 0
            owner.kill()
            owner.wait()
            assert sweep_folders() == 1
            assert not left.exists()
            assert mine.exists()
        assert not mine.exists()


def test_a_folder_that_is_being_made_is_left_alone_until_it_is_old(place: Path) -> None:
    made = place / f"{PREFIX}made"
    made.mkdir()
    assert sweep_folders() == 0
    past = made.stat().st_mtime - UNLOCKED_SECONDS - 1
    os.utime(made, (past, past))
    assert sweep_folders() == 1


def test_other_folders_are_none_of_our_business(place: Path) -> None:
    (place / "elsewhere").mkdir()
    assert sweep_folders() == 0
    assert (place / "elsewhere").exists()
