"""Resume points on disk."""

import resource
from pathlib import Path

import pytest
import torch

from services.engine.model.load import load_base
from services.engine.training.published_adapter import ModelCard, publish_adapter
from services.engine.training.resume_points import load_newest_resume_point, save_resume_point
from services.engine.training.tunable_model import LoraShape, attach_new_adapter
from tests.support.synced_paths import watch_syncs
from tests.support.tiny_models.build import build_family


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


def test_a_resume_point_and_its_name_are_on_the_disk_when_it_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = watch_syncs(monkeypatch)
    path = save_resume_point(tmp_path, state(1))
    assert synced == [tmp_path / f".{path.name}.partial", tmp_path]


def test_a_published_adapter_and_its_name_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = load_base(build_family("llama", tmp_path / "base"), torch.float32, "cpu")
    model = attach_new_adapter(base, LoraShape(4, 8), seed=3, padding_token=0)
    synced = watch_syncs(monkeypatch)
    publish_adapter(model, tmp_path / "models" / "one", ModelCard("one", "base", None, 0, None, "model"))
    partial, names = (
        tmp_path / "models" / ".one.partial",
        sorted(path.name for path in (tmp_path / "models/one").iterdir()),
    )
    assert sorted(path.name for path in synced if path.parent == partial) == [f".{name}.partial" for name in names]
    assert synced.count(partial) == len(names)
    assert synced[-1] == tmp_path / "models"
