"""`storymill up`, `status`, `logs`, `down` as a person at a terminal meets them."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.launcher.mill_process import Member, MillProcess, is_gone
from tests.support.stack import PROJECT_ROOT, wait_until


def run_storymill(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "storymill", *arguments],
        env={**os.environ, "COLUMNS": "200", **(environment or {})},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture
def mill(tmp_path: Path) -> Iterator[MillProcess]:
    """A running mill of two fake services."""
    with MillProcess(tmp_path, services=[[{"name": "worker"}, {"name": "gateway"}]]) as running:
        running.wait_phase("ready")
        yield running


def test_status_tells_each_process_in_json(mill: MillProcess) -> None:
    result = run_storymill("status", "--json", "--state-dir", str(mill.state.root))
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["running"] is True
    assert report["phase"] == "ready"
    rows = {row["name"]: row for row in report["processes"]}
    assert set(rows) == {"migrations", "worker", "gateway"}
    worker = rows["worker"]
    assert worker["pid"] == mill.find_child("worker").pid
    assert worker["state"] == "ready"
    assert worker["restarts"] == 0
    assert worker["port"] > 0
    assert worker["memory_mb"] > 1
    assert worker["uptime_seconds"] >= 0


def test_status_is_a_table_for_people(mill: MillProcess) -> None:
    result = run_storymill("status", "--state-dir", str(mill.state.root))
    line = next(line for line in result.stdout.splitlines() if line.startswith("worker"))
    assert str(mill.find_child("worker").pid) in line
    assert "ready" in line


def test_status_without_a_mill_says_so_and_exits_with_1(tmp_path: Path) -> None:
    result = run_storymill("status", "--state-dir", str(tmp_path / "none"))
    assert result.returncode == 1
    assert "not running" in result.stdout
    as_json = run_storymill("status", "--json", "--state-dir", str(tmp_path / "none"))
    assert json.loads(as_json.stdout)["running"] is False
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("detach", [[], ["--detach"]])
def test_a_second_up_says_that_it_runs_already_and_where(mill: MillProcess, detach: list[str]) -> None:
    ports = ["--gateway-port", "0", "--streaming-port", "0"]
    result = run_storymill("up", "--state-dir", str(mill.state.root), *ports, *detach)
    assert result.returncode == 1
    assert "running already" in result.stderr
    assert "http://127.0.0.1:1" in result.stderr
    assert "settings count at the next" in " ".join(result.stderr.split())
    assert mill.find_status("worker").state == "ready"


def test_down_stops_everything_and_may_be_repeated(mill: MillProcess) -> None:
    result = run_storymill("down", "--state-dir", str(mill.state.root))
    assert result.returncode == 0, result.stderr
    assert "Stopped." in result.stdout
    assert mill.wait_exit() == 0
    assert sorted(mill.read_journal()[-2:]) == ["stop gateway", "stop worker"]
    again = run_storymill("down", "--state-dir", str(mill.state.root))
    assert again.returncode == 0
    assert "not running" in again.stdout


def test_down_ends_what_a_killed_launcher_left(tmp_path: Path) -> None:
    services: list[list[Member]] = [[{"name": "stubborn", "arguments": ["--ignore-sigterm"]}]]
    with MillProcess(tmp_path, services=services) as mill:
        mill.wait_phase("ready")
        stubborn = mill.find_child("stubborn")
        assert mill.process is not None
        mill.process.kill()
        mill.wait_exit()
    status = run_storymill("status", "--state-dir", str(mill.state.root))
    assert status.returncode == 1
    assert str(stubborn.pid) in status.stdout
    result = run_storymill("down", "--state-dir", str(mill.state.root))
    assert result.returncode == 0, result.stderr
    assert "Ended 1 leftover" in result.stdout
    assert is_gone(stubborn)


def test_logs_print_one_process_or_all_with_their_names(mill: MillProcess) -> None:
    mill.state.log_file("worker").write_text("one\ntwo\n")
    mill.state.log_file("gateway").write_text("three\n")
    one = run_storymill("logs", "worker", "-n", "1", "--state-dir", str(mill.state.root))
    assert one.stdout.count("\n") == 1
    # A probe that is answered meanwhile adds its line.
    assert one.stdout in mill.state.log_file("worker").read_text().splitlines(keepends=True)[1:]
    everything = run_storymill("logs", "--state-dir", str(mill.state.root))
    assert {line.split()[0] for line in everything.stdout.splitlines()} >= {"worker", "gateway"}
    unknown = run_storymill("logs", "wroker", "--state-dir", str(mill.state.root))
    assert unknown.returncode == 1
    assert "there are: gateway, worker" in unknown.stderr


def test_logs_follow_what_is_written(mill: MillProcess, tmp_path: Path) -> None:
    output = tmp_path / "followed"
    command = [sys.executable, "-m", "storymill", "logs", "worker", "-f", "--state-dir", str(mill.state.root)]
    mill.state.log_file("worker").write_text("before\n")
    with output.open("wb") as file, subprocess.Popen(command, stdout=file, cwd=PROJECT_ROOT) as follower:
        try:
            wait_until(lambda: "before" in output.read_text(), what="the first line")
            with mill.state.log_file("worker").open("a") as log:
                log.write("after\n")
            wait_until(lambda: "after" in output.read_text(), what="the new line")
        finally:
            follower.terminate()


@pytest.mark.parametrize("option", ["--gateway-port", "--streaming-port"])
@pytest.mark.parametrize("detach", [[], ["--detach"]])
def test_a_taken_port_is_named_with_its_holder_and_what_to_pass(tmp_path: Path, option: str, detach: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        arguments = {"--gateway-port": "0", "--streaming-port": "0", option: str(port)}
        flat = [word for pair in arguments.items() for word in pair]
        result = run_storymill("up", "--state-dir", str(tmp_path / "state"), *flat, *detach)
    assert result.returncode == 1
    assert f"Port {port} is taken by process {os.getpid()}" in result.stderr
    assert f"pass {option}" in result.stderr


def test_a_state_directory_of_a_newer_version_stops_every_start(tmp_path: Path) -> None:
    (tmp_path / "version.json").write_text('{"schema": 99}')
    result = run_storymill("up", "--state-dir", str(tmp_path))
    assert result.returncode == 1
    assert "newer Storymill" in result.stderr
    assert "Traceback" not in result.stderr


def test_keys_without_a_running_database_say_what_to_run(tmp_path: Path) -> None:
    result = run_storymill("keys", "list", "--state-dir", str(tmp_path), environment={"STORYMILL_DATABASE_URL": ""})
    assert result.returncode == 1
    assert "storymill up" in result.stderr


@pytest.mark.slow  # the operators' commands do it at a gateway
def test_keys_are_created_listed_and_revoked_in_the_database(tmp_path: Path, database_url: str) -> None:
    environment = {"STORYMILL_DATABASE_URL": database_url}

    def run_keys(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_storymill("keys", *arguments, "--state-dir", str(tmp_path), environment=environment)

    created = json.loads(run_keys("create", "--name", "notebook", "--json").stdout)
    assert created["key"].startswith("sm_")
    listed = json.loads(run_keys("list", "--json").stdout)
    assert (listed["id"], listed["revoked_at"]) == (created["id"], None)
    assert "notebook" in run_keys("list").stdout
    for wrong in (("--name", " "), ("--name", "x", "--project", ""), ("--name", "x", "--scopes", "")):
        assert run_keys("create", *wrong).returncode != 0
    assert len(run_keys("list", "--json").stdout.splitlines()) == 1
    assert run_keys("revoke", created["id"]).returncode == 0
    assert json.loads(run_keys("list", "--json").stdout)["revoked_at"] is not None
    again = run_keys("revoke", created["id"])
    assert again.returncode == 1
    assert created["id"] in again.stderr
