"""Logs: their end, their growth, their size."""

from pathlib import Path

from storymill.launcher.log_file import LogFollower, read_tail, rotate_if_large


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_bytes("一\n二\n三\n".encode() + b"\xff broken\n")
    assert read_tail(log, 2) == ["三", "\ufffd broken"]
    assert read_tail(log, 0) == []
    assert read_tail(tmp_path / "none.log", 5) == []


def test_a_large_log_is_moved_aside_under_its_writer(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        rotate_if_large(log, limit_bytes=50)
        writer.write(b"after\n")
    assert log.read_bytes() == b"after\n"
    assert (tmp_path / "worker.log.1").read_bytes() == b"x" * 100


def test_a_follower_returns_whole_new_lines_over_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text("before\n")
    follower = LogFollower(log)
    with log.open("ab", buffering=0) as writer:
        writer.write(b"one\ntw")
        assert follower.read_new_lines() == ["one"]
        writer.write(b"o\n")
        assert follower.read_new_lines() == ["two"]
        rotate_if_large(log, limit_bytes=1)
        writer.write(b"new\n")
        assert follower.read_new_lines() == ["new"]
