"""Folders of tiny models, each made once a session."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.tiny_models.build import build_family


@pytest.fixture(scope="session")
def family_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function from a family's name to its folder."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            made[name] = build_family(name, tmp_path_factory.mktemp("families") / name)
        return made[name]

    return make
