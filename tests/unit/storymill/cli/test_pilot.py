"""Whoever is asked whether a pilot's run goes on may answer with yes, no, or by leaving."""

import os
import pty
import subprocess
import sys

import pytest

from storymill.cli.pilot import may_go_on

ASK = "from storymill.cli.pilot import ask_to_go_on; print('answer:', ask_to_go_on({'left': 32}))"


@pytest.mark.parametrize(("typed", "answer"), [(b"y\n", True), (b"n\n", False), (b"\n", False), (b"\x04", False)])
def test_the_end_of_the_input_is_a_no(typed: bytes, answer: bool) -> None:
    ours, theirs = pty.openpty()
    try:
        os.write(ours, typed)
        command = [sys.executable, "-c", ASK]
        told = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=60, check=True)
    finally:
        os.close(ours)
        os.close(theirs)
    assert told.stdout.endswith(f"answer: {answer}\n"), told


def test_who_was_sure_before_the_pilot_was_so_of_stories() -> None:
    assert may_go_on({"left": 32, "seen": {"stories": 4, "failed": 1, "rejected": 2}}, is_sure=True)
    assert not may_go_on({"left": 32, "seen": {"stories": 4, "failed": 1, "rejected": 3}}, is_sure=True)
