"""The storyteller's training, on the tiny model: a run that is killed goes on, and ends as if it had not been."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.engine.training.sample_stories import read_story_file
from tests.support.stack import PROJECT_ROOT

DEADLINE_SECONDS = 240.0


def start(base: Path, output: Path) -> subprocess.Popen[bytes]:
    """Start the last stage with few tales; every step leaves a resume point."""
    arguments = ["--epochs", "0", "0", "0", "1", "--tales", "40", "--threads", "1", "--resume-seconds", "0"]
    command = [sys.executable, "-m", "services.engine.training.storyteller", "--base", str(base), *arguments]
    return subprocess.Popen([*command, "--output", str(output)], cwd=PROJECT_ROOT, stderr=subprocess.DEVNULL)


def wait_for_resume_point(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the stage has left one."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not list(folder.glob("stage-4/step-*.pt")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_training_on_tales_goes_on_with_the_tales_it_began_with(tiny_folder: Path, tmp_path: Path) -> None:
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    assert start(tiny_folder, unbroken).wait(DEADLINE_SECONDS) == 0
    resume_folder = tmp_path / ".killed.resume"
    process = start(tiny_folder, killed)
    wait_for_resume_point(resume_folder, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list(read_story_file(resume_folder / "tales-4.csv"))) == 40
    assert not killed.exists()
    assert start(tiny_folder, killed).wait(DEADLINE_SECONDS) == 0
    weights = [(folder / "adapter_model.safetensors").read_bytes() for folder in (unbroken, killed)]
    assert weights[0] == weights[1]
    assert not resume_folder.exists()
