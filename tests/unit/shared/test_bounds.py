"""Bounds change with their file, and a file that is wrong changes nothing."""

import os
from pathlib import Path

import pytest

from shared.bounds import Bounds, LiveBounds


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def write(file: Path, text: str, moment: int) -> None:
    file.write_text(text, encoding="utf-8")
    os.utime(file, (moment, moment))


def test_a_bound_changes_without_a_restart_and_back_when_its_line_goes(tmp_path: Path) -> None:
    file, clock = tmp_path / "bounds.toml", Clock()
    bounds = LiveBounds(Bounds(max_choices=5, max_body_bytes=2048), file, monotonic=clock)
    assert bounds.now.max_choices == 5
    write(file, "max_choices = 7\n", 1)
    clock.now = 1.1
    assert (bounds.now.max_choices, bounds.now.max_body_bytes) == (7, 2048)
    file.unlink()
    clock.now = 2.2
    assert bounds.now.max_choices == 5


@pytest.mark.parametrize("text", ["max_choices = 0", "max_choises = 7", "max_choices = ", 'max_choices = "many"'])
def test_a_file_that_cannot_be_used_leaves_the_bounds_as_they_were(tmp_path: Path, text: str) -> None:
    file, clock = tmp_path / "bounds.toml", Clock()
    write(file, "max_choices = 7\n", 1)
    bounds = LiveBounds(Bounds(), file, monotonic=clock)
    assert bounds.now.max_choices == 7
    write(file, text, 2)
    clock.now = 1.1
    assert bounds.now.max_choices == 7
