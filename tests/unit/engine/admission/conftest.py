"""A model's folder that each test may spoil."""

from pathlib import Path

import pytest

from tests.support.tiny_models.build import build_family


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny Llama, good as it is."""
    return build_family("llama", tmp_path / "base")
