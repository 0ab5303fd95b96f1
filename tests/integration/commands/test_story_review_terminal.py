"""`storymill stories review` on a real terminal: a process of its own that is left by Ctrl-C."""

import asyncio
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from fcntl import ioctl
from pathlib import Path

import httpx2
import pytest

from services.gateway.settings import GatewaySettings
from storymill.launcher.ports import find_free_port
from tests.support.gateway import Mill, serve_gateway
from tests.support.interactive import eventually_async
from tests.support.stack import PROJECT_ROOT
from tests.support.written_run import read_reviews, write_run

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMAND = (sys.executable, "-m", "storymill", "stories", "review")
LEAVE_SCREEN = "\x1b[?1049l"
SHOWN_OF_A_STORY = "沉默的铸剑师"
CTRL_C = b"\x03"


class Terminal:
    """A process on a terminal of 80 by 24."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.leader, follower = pty.openpty()
        ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.shown = b""
        self.process = subprocess.Popen(
            COMMAND, env=environment, cwd=PROJECT_ROOT, stdin=follower, stdout=follower, stderr=follower
        )
        os.close(follower)
        asyncio.get_running_loop().add_reader(self.leader, self.read)

    def read(self) -> None:
        """Take what the process wrote."""
        try:
            self.shown += os.read(self.leader, 65536)
        except OSError:  # the other end is closed
            asyncio.get_running_loop().remove_reader(self.leader)

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self.leader, keys)

    async def shows(self, text: str) -> None:
        """Wait until something was written."""

        async def look() -> bool:
            return text in self.shown.decode(errors="replace")

        await eventually_async(look, what=f"{text!r}")

    async def leave(self) -> tuple[int, str]:
        """Press Ctrl-C; return the exit code and what stands below when the screen is gone."""
        self.press(CTRL_C)
        code = await asyncio.to_thread(self.process.wait, 30)
        await self.shows(LEAVE_SCREEN)
        await asyncio.sleep(0)
        return code, self.shown.decode().rpartition(LEAVE_SCREEN)[2]


@asynccontextmanager
async def terminal(mill_url: str, client: httpx2.AsyncClient, folder: Path) -> AsyncIterator[Terminal]:
    """A review of the newest run."""
    key = client.headers["authorization"].removeprefix("Bearer ")
    own = {"STORYMILL_BASE_URL": mill_url, "STORYMILL_API_KEY": key, "XDG_STATE_HOME": str(folder)}
    opened = Terminal({**os.environ, "TERM": "xterm-256color", **own})
    try:
        yield opened
    finally:
        opened.process.kill()
        await asyncio.to_thread(opened.process.wait)
        asyncio.get_running_loop().remove_reader(opened.leader)
        os.close(opened.leader)


async def test_ctrl_c_loses_nothing_whether_the_gateway_is_there_or_not(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    run = await write_run(gateway, client)
    stores = {"database_url": gateway.database_url, "redis_url": gateway.redis_url}
    settings = GatewaySettings.model_validate({**stores, "upstream_url": gateway.upstream.url})
    port = find_free_port()
    first_life = AsyncExitStack()
    mill_url = await first_life.enter_async_context(serve_gateway(settings, port))
    async with terminal(mill_url, client, tmp_path) as one:
        await one.shows("20 left")
        await one.shows(SHOWN_OF_A_STORY)
        await first_life.aclose()
        one.press(b"ar")
        await one.shows("2 decisions kept")
        code, below = await one.leave()
    assert code == 1
    assert "Not sent: 2 decisions" in below
    assert await read_reviews(client, run) == [None] * 20
    async with serve_gateway(settings, port), terminal(mill_url, client, tmp_path) as two:
        await two.shows("2 reviewed")
        await two.shows(SHOWN_OF_A_STORY)
        two.press(b"a")
        await two.shows("3 reviewed")
        code, below = await two.leave()
    assert code == 0
    assert "Sent: 2 accepted, 1 rejected." in below
    assert f"storymill datasets prepare {run}" in below
    assert (await read_reviews(client, run))[:4] == ["accepted", "rejected", "accepted", None]
    assert not any((tmp_path / "storymill").iterdir())


@pytest.mark.slow
async def test_a_killed_sitting_leaves_its_decisions_to_the_next(
    gateway: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    run = await write_run(gateway, client)
    stores = {"database_url": gateway.database_url, "redis_url": gateway.redis_url}
    settings = GatewaySettings.model_validate({**stores, "upstream_url": gateway.upstream.url})
    port = find_free_port()
    first_life = AsyncExitStack()
    mill_url = await first_life.enter_async_context(serve_gateway(settings, port))
    async with terminal(mill_url, client, tmp_path) as one:
        await one.shows("20 left")
        await one.shows(SHOWN_OF_A_STORY)
        await first_life.aclose()
        one.press(b"ra")
        await one.shows("2 decisions kept")
        one.process.kill()
    async with serve_gateway(settings, port), terminal(mill_url, client, tmp_path) as two:
        await two.shows("2 reviewed")
        code, below = await two.leave()
    assert (code, "Sent: 1 accepted, 1 rejected." in below) == (0, True)
    assert (await read_reviews(client, run))[:2] == ["rejected", "accepted"]


async def test_a_pipe_is_told_which_command_to_use() -> None:
    done = await asyncio.to_thread(
        subprocess.run, COMMAND, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "storymill stories review STORY_ID accepted|rejected" in done.stderr
