"""The tiny model, built once a session."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from services.engine.model.load import load_base, load_tokenizer
from services.engine.model.runner import ModelRunner
from tests.support.tiny_model import build_tiny_model

# On tiny models the threads of a second core cost ten times what they do, most of all where other tests have that core.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's folder."""
    return build_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tokenizer(tiny_folder: Path) -> Any:
    """The tiny model's tokenizer."""
    return load_tokenizer(tiny_folder)


@pytest.fixture
def runner(tiny_folder: Path) -> Iterator[ModelRunner]:
    """A runner with eight slots, in float32; the test runs in inference mode as the model thread does."""
    with torch.inference_mode():
        yield ModelRunner(load_base(tiny_folder, torch.float32, "cpu"), slots=8, context_length=1024)
