"""One live engine on the tiny model for all tests that do not need one of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from tests.support.live_engine import LiveEngine
from tests.support.random_adapter import write_random_adapter
from tests.support.tiny_model import build_tiny_model


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's folder, named as clients will call the model."""
    return build_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def engine(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveEngine]:
    """A ready engine in float32, with one tuned model."""
    state = tmp_path_factory.mktemp("engine")
    write_random_adapter(tiny_folder, state / "adapters" / "one", "ft:tiny:org:one:1", "tiny")
    server = LiveEngine(tiny_folder, state, dtype="float32", context_length=512)
    server.wait_until_ready()
    yield server
    server.stop()


@pytest.fixture
def client(engine: LiveEngine) -> Iterator[OpenAI]:
    """The official client, without retries."""
    with OpenAI(base_url=f"{engine.url}/v1", api_key="unused", max_retries=0) as openai_client:
        yield openai_client
