"""Adapters are read at first use, again when they change, and never pile up."""

from pathlib import Path

import pytest

from services.engine.model.adapter import AdapterError
from services.engine.model.adapter_shelf import AdapterShelf
from services.engine.model.runner import ModelRunner
from tests.support.random_adapter import write_random_adapter
from tests.support.tiny_model import build_tiny_model


@pytest.fixture
def folders(tiny_folder: Path, tmp_path: Path) -> list[Path]:
    return [write_random_adapter(tiny_folder, tmp_path / str(n), f"tuned-{n}", "tiny", n) for n in range(3)]


def test_an_adapter_is_kept_until_its_file_changes(runner: ModelRunner, folders: list[Path], tiny_folder: Path) -> None:
    shelf = AdapterShelf(runner, size=3, merged=0)
    first = shelf.fetch(folders[0])
    assert shelf.fetch(folders[0]) is first
    write_random_adapter(tiny_folder, folders[0], "tuned-0", "tiny", seed=9)
    assert shelf.fetch(folders[0]) is not first


def test_adapters_and_merged_weights_are_bounded(runner: ModelRunner, folders: list[Path]) -> None:
    shelf = AdapterShelf(runner, size=2, merged=1)
    first, second, third = (shelf.fetch(folder) for folder in folders)
    assert first.merged is None  # pushed out by the third
    assert shelf.fetch(folders[0]) is not first
    assert sum(adapter.merged is not None for adapter in (second, third)) <= 1


def test_adapters_in_use_do_not_take_merged_weights_from_one_another(runner: ModelRunner, folders: list[Path]) -> None:
    shelf = AdapterShelf(runner, size=3, merged=1)
    first, second = shelf.fetch(folders[0]), shelf.fetch(folders[1])
    assert first.merged is not None
    assert second.merged is None
    assert shelf.fetch(folders[0]).merged is first.merged


def test_a_folder_that_is_gone_or_broken_says_so(runner: ModelRunner, folders: list[Path], tmp_path: Path) -> None:
    shelf = AdapterShelf(runner, size=3, merged=1)
    with pytest.raises(AdapterError, match="gone"):
        shelf.fetch(tmp_path / "nothing")
    (folders[0] / "adapter_model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(AdapterError):
        shelf.fetch(folders[0])


def test_an_adapter_of_another_base_is_refused(runner: ModelRunner, tmp_path: Path) -> None:
    other = build_tiny_model(tmp_path / "other", seed=1)
    folder = write_random_adapter(other, tmp_path / "stranger", "stranger", "other")
    runner.linears.popitem()
    with pytest.raises(AdapterError, match="another base"):
        AdapterShelf(runner, size=1, merged=1).fetch(folder)
