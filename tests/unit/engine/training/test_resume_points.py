"""Resume points on disk."""

import resource
from pathlib import Path

import pytest
import torch

from services.engine.training.resume_points import load_newest_resume_point, save_resume_point


def state(step: int) -> dict[str, object]:
    return {"progress": {"step": step}, "weights": torch.full((100_000,), float(step))}


def test_the_newest_is_loaded_and_only_two_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 10):
        save_resume_point(tmp_path, state(step))
    loaded = load_newest_resume_point(tmp_path)
    assert loaded is not None
    assert torch.equal(loaded["weights"], torch.full((100_000,), 10.0))
    assert loaded["progress"] == {"step": 10}
    assert len(list(tmp_path.iterdir())) == 2


def test_without_one_there_is_nothing_to_load(tmp_path: Path) -> None:
    assert load_newest_resume_point(tmp_path / "none") is None


def test_a_full_disk_keeps_the_last_one(tmp_path: Path) -> None:
    save_resume_point(tmp_path, state(1))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            save_resume_point(tmp_path, state(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.pt"]
