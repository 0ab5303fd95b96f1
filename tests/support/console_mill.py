"""A whole mill for the console's tests: `storymill up` on a scripted provider that writes slowly
enough to be watched."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storymill.launcher.ports import find_free_port
from tests.support.stack import PROJECT_ROOT
from tests.support.whole_mill import WholeMill

TOKENS_PER_SECOND = 12


class ConsoleMill(WholeMill):
    """A mill whose console is looked at."""

    @property
    def base_url(self) -> str:
        """Where the gateway is, as browsers are told."""
        return self.api().base_url.removesuffix("/v1")

    def make_link(self) -> str:
        """Return a fresh link that logs in once, as `storymill console` prints it."""
        printed = self.run("console").stdout.strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/console/#ticket=tick_[\w-]+", printed), printed
        return printed


@contextmanager
def run_console_mill(folder: Path) -> Iterator[ConsoleMill]:
    """Yield a running mill without an engine."""
    port = find_free_port()
    words = ["-m", "tests.support.upstream", "--port", str(port), "--tokens-per-second", str(TOKENS_PER_SECOND)]
    with subprocess.Popen([sys.executable, *words], cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL) as upstream:
        mill = ConsoleMill(folder, arguments=("--no-engine", "--upstream", f"http://127.0.0.1:{port}/v1"))
        try:
            mill.start()
            yield mill
        finally:
            mill.stop()
            upstream.terminate()
