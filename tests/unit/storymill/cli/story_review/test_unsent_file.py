"""Decisions on their way outlast the process that made them."""

from pathlib import Path

import pytest

from storymill.cli.story_review.decisions import Decision
from storymill.cli.story_review.unsent_file import UnsentFile, name_of, read_open


def decision(number: int) -> Decision:
    """A verdict on a story of that number."""
    return Decision(number, f"story_{number}", {"review": "accepted"}, None, "hash")


def other_sitting(folder: Path, name: str, pid: int) -> UnsentFile:
    """A file as another process has it."""
    file = UnsentFile(folder, name)
    file.path = file.path.rename(folder / f"review-{name}-{pid}.jsonl")
    return file


def test_what_is_settled_is_forgotten_and_the_rest_is_taken_over(tmp_path: Path) -> None:
    dead = other_sitting(tmp_path, "mill", 1)
    for number in (1, 2, 3):
        dead.note(decision(number))
    dead.settle(decision(2))
    dead.close()
    own = UnsentFile(tmp_path, "mill")
    assert own.left_behind == [decision(1), decision(3)]
    assert read_open(own.path) == own.left_behind  # until they are sent
    for left in own.left_behind:
        own.settle(left)
    own.close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_taken_over_is_in_the_own_file_before_the_others_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pid in (1, 2):
        dead = other_sitting(tmp_path, "mill", pid)
        dead.note(decision(pid))
        dead.close()

    def die(_path: Path, **_options: bool) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(Path, "unlink", die)
        with pytest.raises(KeyboardInterrupt):
            UnsentFile(tmp_path, "mill")
    own = UnsentFile(tmp_path, "mill")
    assert {left.story_id for left in own.left_behind} == {"story_1", "story_2"}
    assert len({left.number for left in own.left_behind}) == len(own.left_behind)
    own.close()


def test_a_sitting_that_lasts_keeps_its_own(tmp_path: Path) -> None:
    alive = other_sitting(tmp_path, "mill", 1)
    alive.note(decision(1))
    own = UnsentFile(tmp_path, "mill")
    assert own.left_behind == []
    alive.close()
    own.close()
    assert read_open(alive.path) == [decision(1)]


def test_a_line_cut_by_a_crash_is_left_out(tmp_path: Path) -> None:
    dead = other_sitting(tmp_path, "mill", 1)
    dead.note(decision(1))
    dead.note(decision(2))
    dead.close()
    dead.path.write_bytes(dead.path.read_bytes()[:-20])
    own = UnsentFile(tmp_path, "mill")
    assert own.left_behind == [decision(1)]
    own.close()


def test_only_its_owner_reads_it_and_another_key_has_another(tmp_path: Path) -> None:
    file = UnsentFile(tmp_path / "state", name_of("http://mill/v1", "sm_one"))
    assert (file.path.stat().st_mode & 0o777, (tmp_path / "state").stat().st_mode & 0o777) == (0o600, 0o700)
    file.close()
    assert name_of("http://mill/v1", "sm_one") != name_of("http://mill/v1", "sm_two")
    assert "sm_one" not in file.path.name
