"""What a process loads before its first request: heavy libraries come with the first use, in the process that uses
them. Every worker reads the whole job table, so one import there is paid for five times on every machine."""

import subprocess
import sys

import pytest

HEAVY = {"openai", "bpe_openai", "pandas", "pyarrow", "openpyxl", "torch", "transformers", "mlflow", "wandb", "textual"}
LOADED = "import sys, {module}; print(*sys.modules)"


@pytest.mark.parametrize(
    "module", ["services.workers.celery_app", "services.gateway.app", "services.streaming.app", "storymill.cli"]
)
def test_no_heavy_library_is_loaded_before_it_is_used(module: str) -> None:
    command = [sys.executable, "-c", LOADED.format(module=module)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert module in loaded
    assert not HEAVY & set(loaded)
