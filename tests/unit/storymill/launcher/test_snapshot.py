"""Processes are told apart by id and start time; the snapshot survives its file."""

import os
from pathlib import Path

from storymill.launcher.leftovers import find_leftovers
from storymill.launcher.snapshot import (
    MillSnapshot,
    ProcessIdentity,
    ProcessStatus,
    find_running,
    find_snapshot,
    write_snapshot,
)
from storymill.launcher.state_dir import open_state_dir


def make_snapshot(supervisor: ProcessIdentity, child: ProcessIdentity) -> MillSnapshot:
    return MillSnapshot(
        phase="ready",
        supervisor=supervisor,
        gateway_url="http://127.0.0.1:8000",
        streaming_url="http://127.0.0.1:8001",
        processes=[ProcessStatus(name="worker", state="ready", identity=child, port=7, progress=0.5)],
    )


def test_a_process_is_found_by_id_and_start_time() -> None:
    identity = ProcessIdentity.of(os.getpid())
    found = identity.find()
    assert found is not None
    assert found.pid == os.getpid()
    assert identity.model_copy(update={"created_at": identity.created_at - 60}).find() is None


def test_a_snapshot_is_read_as_it_was_written(tmp_path: Path) -> None:
    state = open_state_dir(tmp_path / "state")
    identity = ProcessIdentity.of(os.getpid())
    snapshot = make_snapshot(identity, identity)
    write_snapshot(state, snapshot)
    assert find_running(state) == snapshot


def test_a_stranger_with_the_id_of_a_dead_child_is_no_leftover(tmp_path: Path) -> None:
    state = open_state_dir(tmp_path / "state")
    ours = ProcessIdentity.of(os.getpid())
    earlier = ours.model_copy(update={"created_at": ours.created_at - 60})
    write_snapshot(state, make_snapshot(supervisor=earlier, child=earlier))
    assert find_running(state) is None
    assert find_leftovers(state) == []


def test_a_broken_snapshot_counts_as_none(tmp_path: Path) -> None:
    state = open_state_dir(tmp_path / "state")
    state.snapshot_file.write_text('{"phase": "rea')
    assert find_snapshot(state) is None
