"""The supervisor on real child processes: order, restarts, stubborn and crashing children, its own death."""

from pathlib import Path

import psutil
import pytest

from tests.integration.launcher.mill_process import Member, MillProcess, is_gone
from tests.support.stack import wait_until


def test_processes_start_in_order_and_stop_in_reverse(tmp_path: Path) -> None:
    with MillProcess(
        tmp_path, stores=[[{"name": "store"}]], services=[[{"name": "worker"}], [{"name": "entrance"}]]
    ) as mill:
        mill.wait_phase("ready")
        journal = mill.read_journal()
        assert journal[:2] == ["start store", "step migrations"]
        assert sorted(journal[2:]) == ["start entrance", "start worker"]
        assert mill.process is not None
        mill.process.terminate()
        assert mill.wait_exit() == 0
        assert mill.read_journal()[4:] == ["stop entrance", "stop worker", "stop store"]


def test_a_killed_child_is_started_again_and_counted(tmp_path: Path) -> None:
    with MillProcess(tmp_path, services=[[{"name": "worker"}, {"name": "bystander"}]]) as mill:
        mill.wait_phase("ready")
        victim = mill.find_child("worker")
        bystander_pid = mill.find_child("bystander").pid
        victim.kill()
        wait_until(lambda: mill.find_status("worker").restarts == 1, what="the restart to be counted")
        wait_until(lambda: mill.find_status("worker").state == "ready", what="the worker to be ready again")
        assert mill.find_child("worker").pid != victim.pid
        assert mill.find_child("bystander").pid == bystander_pid
        assert "worker restarting: was ended by SIGKILL" in mill.read_output()


@pytest.mark.slow
def test_a_frozen_child_is_killed_and_started_again_and_says_why(tmp_path: Path) -> None:
    services: list[list[Member]] = [[{"name": "worker", "frozen": 1.0}, {"name": "bystander", "frozen": 1.0}]]
    with MillProcess(tmp_path, services=services) as mill:
        mill.wait_phase("ready")
        victim = mill.find_child("worker")
        bystander_pid = mill.find_child("bystander").pid
        victim.suspend()
        wait_until(lambda: mill.find_status("worker").restarts == 1, timeout_seconds=60, what="the restart")
        wait_until(lambda: mill.find_status("worker").state == "ready", what="the worker to be ready again")
        assert is_gone(victim)
        assert mill.find_child("bystander").pid == bystander_pid
        assert "worker restarting: did not answer for 1 s and was killed" in mill.read_output()


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    services = [[{"name": "stubborn", "arguments": ["--ignore-sigterm"], "grace": 0.3}]]
    with MillProcess(tmp_path, services=services) as mill:
        mill.wait_phase("ready")
        child = mill.find_child("stubborn")
        assert mill.process is not None
        mill.process.terminate()
        assert mill.wait_exit() == 0
        assert is_gone(child)


def test_a_child_that_never_comes_up_fails_the_start_with_its_last_words_and_leaves_nothing_running(
    tmp_path: Path,
) -> None:
    fuse = tmp_path / "fuse"
    fuse.touch()
    services = [[{"name": "reactor", "arguments": ["--crash-if", str(fuse)]}]]
    with MillProcess(tmp_path, stores=[[{"name": "store"}]], services=services) as mill:
        snapshot = mill.wait_phase("failed")
        assert mill.wait_exit() != 0
    assert "reactor exited with 1" in snapshot.message
    assert "the reactor is out of fuel [code 3]" in snapshot.message
    assert mill.read_journal()[-1] == "stop store"


def test_a_crash_loop_is_told_with_its_reason_while_the_others_go_on(tmp_path: Path) -> None:
    fuse = tmp_path / "fuse"
    services: list[list[Member]] = [
        [{"name": "reactor", "arguments": ["--crash-if", str(fuse)]}, {"name": "bystander"}]
    ]
    with MillProcess(tmp_path, services=services) as mill:
        mill.wait_phase("ready")
        fuse.touch()
        mill.find_child("reactor").kill()
        wait_until(lambda: mill.find_status("reactor").restarts == 5, what="five crashes")
        message = wait_until(lambda: mill.find_status("reactor").message, what="the message")
        assert message.startswith("keeps crashing, exited with 1")
        assert "the reactor is out of fuel [code 3]" in message
        assert mill.find_status("bystander").state == "ready"


def test_progress_of_a_slow_start_is_published(tmp_path: Path) -> None:
    with MillProcess(tmp_path, services=[[{"name": "engine", "arguments": ["--ready-after", "1.5"]}]]) as mill:
        mill.wait_phase("starting")
        progress = wait_until(lambda: mill.find_status("engine").progress, what="some progress")
        assert progress is not None
        assert 0 < progress < 1
        assert mill.find_status("engine").message == "melting ore"
        mill.wait_phase("ready")
        assert mill.find_status("engine").progress is None


def test_children_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    with MillProcess(tmp_path, stores=[[{"name": "store"}]], services=[[{"name": "worker"}]]) as mill:
        mill.wait_phase("ready")
        children = [mill.find_child("store"), mill.find_child("worker")]
        assert mill.process is not None
        mill.process.kill()
        mill.wait_exit()
        wait_until(lambda: all(is_gone(child) for child in children), what="the children to end")


def test_a_start_after_a_killed_supervisor_ends_the_stubborn_child_that_it_left(tmp_path: Path) -> None:
    services = [[{"name": "stubborn", "arguments": ["--ignore-sigterm"], "grace": 0.3}]]
    with MillProcess(tmp_path, services=services) as mill:
        mill.wait_phase("ready")
        leftover = mill.find_child("stubborn")
        assert mill.process is not None
        mill.process.kill()
        mill.wait_exit()
        assert not is_gone(leftover)
        mill.start()
        mill.wait_phase("ready")
        assert is_gone(leftover)
        assert mill.find_child("stubborn").pid != leftover.pid


def test_a_stop_during_the_start_stops_what_has_started(tmp_path: Path) -> None:
    services = [[{"name": "engine", "arguments": ["--ready-after", "600"]}]]
    with MillProcess(tmp_path, stores=[[{"name": "store"}]], services=services) as mill:
        mill.wait_phase("starting")
        wait_until(lambda: "start engine" in mill.read_journal(), what="the engine to start")
        assert mill.process is not None
        mill.process.terminate()
        assert mill.wait_exit() == 0
        assert mill.read_journal()[-2:] == ["stop engine", "stop store"]


def test_what_a_killed_child_had_started_ends_before_the_child_is_started_again(tmp_path: Path) -> None:
    with MillProcess(tmp_path, services=[[{"name": "engine", "arguments": ["--start-helper"]}]]) as mill:
        mill.wait_phase("ready")
        helper = psutil.Process(int(mill.read_journal()[1].split()[1]))
        mill.find_child("engine").kill()
        wait_until(lambda: is_gone(helper), what="the helper to end")
        wait_until(lambda: mill.find_status("engine").state == "ready", what="the engine to be ready again")
