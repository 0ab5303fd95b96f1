"""A person's terminal: `storymill …` as it is typed, against a mill of the test's own."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.support.gateway import Mill
from tests.support.stack import PROJECT_ROOT

TIMEOUT_SECONDS = 120


class Terminal:
    """Runs commands against the mill, in a folder of its own."""

    def __init__(self, mill: Mill, key: str, folder: Path) -> None:
        self.folder = folder
        self._environment = {
            **os.environ,
            "COLUMNS": "200",
            "STORYMILL_BASE_URL": f"{mill.base_url}/v1",
            "STORYMILL_API_KEY": key,
            "STORYMILL_STATE_DIR": str(folder / "none"),
        }

    async def run(self, *words: object, status: int = 0) -> str:
        """Run `storymill …` to its end while the gateway in this process goes on; return what it printed."""
        process = self.start(*words)
        out, _ = await asyncio.to_thread(process.communicate, timeout=TIMEOUT_SECONDS)
        assert process.returncode == status, out
        return str(out)

    def start(self, *words: object) -> "subprocess.Popen[str]":
        """Start a command."""
        return subprocess.Popen(
            # A test runner that was started in the background ignores Ctrl-C, and its children inherit that.
            ["env", "--default-signal=INT", sys.executable, "-m", "storymill", *map(str, words)],
            env=self._environment,
            cwd=PROJECT_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
