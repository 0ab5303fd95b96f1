"""The public tool's own environment: openai 0.27.4, in a folder that is made once and kept."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".cache" / "venvs" / "openai-legacy"
PACKAGES = (
    "openai==0.27.4", "pandas==3.1.1", "numpy==2.4.6", "openpyxl==3.1.5", "requests==2.34.2", "urllib3==2.8.0",
    "aiohttp==3.14.5", "tqdm==4.70.1",
)  # fmt: skip


def legacy_python() -> Path:
    """The interpreter of the environment, which is created with uv on first use."""
    python = FOLDER / "bin" / "python"
    if not (FOLDER / "complete").exists():
        FOLDER.parent.mkdir(parents=True, exist_ok=True)
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "-q", "--clear", "--python", sys.executable, str(FOLDER)], check=True)
        subprocess.run([*uv, "pip", "install", "-q", "--python", str(python), *PACKAGES], check=True)
        (FOLDER / "complete").touch()
    return python
