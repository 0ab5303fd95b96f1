"""The public tool's own environment: openai 0.27.4, in a folder that is made once and kept."""

from pathlib import Path

from tests.support.client_env import client_python


def legacy_python() -> Path:
    """The interpreter of the environment, which is created with uv on first use."""
    return client_python("openai-legacy")
