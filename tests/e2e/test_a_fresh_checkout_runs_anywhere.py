"""A newcomer's checkout, environment included: below a folder that is closed to everybody else as root, and as an
ordinary user whose home is empty or not there. The mill starts, answers one request, and stops."""

import asyncio
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from storymill.client.rest import Api
from storymill.launcher.child_command import Owner
from storymill.launcher.credentials import read_credentials
from tests.support.fresh_checkout import FreshCheckout, make_checkout
from tests.support.upstream import MODEL, ScriptedUpstream

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start as root and as another user in turn")

CLOSED = 0o700


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder of mode 0700 with none above it that is closed; it is root's until the test gives it away."""
    with TemporaryDirectory(prefix="storymill-checkout-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def find_ordinary_user() -> Owner:
    """Return a user of every system who may do nothing (PostgreSQL asks for one with a name)."""
    nobody = pwd.getpwnam("nobody")
    return Owner(nobody.pw_uid, nobody.pw_gid)


def read_mode(path: Path) -> int:
    """Return the permissions."""
    return stat.S_IMODE(path.stat().st_mode)


def read_owner(path: Path) -> int:
    """Return the user id."""
    return path.stat().st_uid


def start(checkout: FreshCheckout, upstream: ScriptedUpstream) -> None:
    """Run `storymill up` and insist that it succeeds."""
    ports = ["--gateway-port", "0", "--streaming-port", "0"]
    result = checkout.run_storymill("up", "--detach", *ports, "--upstream", upstream.url)
    assert result.returncode == 0, result.stdout + result.stderr


def ask(checkout: FreshCheckout, prompt: str) -> dict[str, Any]:
    """Have a text made, with the credentials that the start wrote down."""
    credentials = read_credentials(checkout.state_dir)
    with Api(credentials.base_url, credentials.api_key) as api:
        return api.post("/completions", {"model": MODEL, "prompt": prompt, "max_tokens": 50})


async def run_once(checkout: FreshCheckout, upstream: ScriptedUpstream) -> str:
    """Start, ask once, stop; return the text."""
    await asyncio.to_thread(start, checkout, upstream)
    try:
        answer = await asyncio.to_thread(ask, checkout, "一位唐代的英雄")
    finally:
        stopped = await asyncio.to_thread(checkout.run_storymill, "down")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    text: str = answer["choices"][0]["text"]
    return text


async def test_root_runs_a_mill_below_a_folder_closed_to_every_other_user(
    closed_folder: Path, upstream: ScriptedUpstream
) -> None:
    checkout = FreshCheckout(make_checkout(closed_folder / "storymill"), environment={"HOME": str(closed_folder)})
    assert await run_once(checkout, upstream)
    assert [call.status for call in upstream.calls] == [200]
    assert read_mode(closed_folder) == CLOSED
    assert read_owner(checkout.state_dir / "postgres") != 0


@pytest.mark.slow
async def test_an_ordinary_user_runs_a_mill_with_an_empty_home_and_with_none(
    closed_folder: Path, upstream: ScriptedUpstream
) -> None:
    user = find_ordinary_user()
    home = closed_folder / "home"
    home.mkdir()
    root = make_checkout(closed_folder / "storymill", user=user)
    for folder in (closed_folder, home):
        os.chown(folder, user.uid, user.gid)
    for environment in ({"HOME": str(home)}, {}):
        assert await run_once(FreshCheckout(root, user, environment), upstream)
    assert read_owner(root / ".storymill" / "postgres") == user.uid
