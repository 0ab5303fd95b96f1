"""The screen of `storymill stories review` in a test: keys in, what it shows and sends out."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
from textual.pilot import Pilot
from textual.widgets import Static

from storymill.cli.story_review.app import ReviewApp
from storymill.cli.story_review.decision_sender import DecisionSender
from storymill.cli.story_review.unsent_file import UnsentFile
from storymill.client.rest import Api
from tests.support.gateway import Mill
from tests.support.interactive import eventually_async

NARROW: Final = (80, 24)
WIDE: Final = (140, 40)


@contextmanager
def open_api(mill: Mill, client: httpx2.AsyncClient, base_url: str | None = None) -> Iterator[Api]:
    """The command line's way to the gateway, with the test's key."""
    key = client.headers["authorization"].removeprefix("Bearer ")
    with Api(f"{base_url or mill.base_url}/v1", key) as api:
        yield api


@asynccontextmanager
async def review(
    api: Api, folder: Path, client: httpx2.AsyncClient, run: str, size: tuple[int, int] = NARROW, name: str = "mill"
) -> AsyncIterator[tuple[ReviewApp, Pilot[None]]]:
    """A screen on which the first page of a run stands."""
    told = (await client.get(f"/v1/generations/{run}")).json()
    app = ReviewApp(api, UnsentFile(folder, name), run=told, status=None)
    async with app.run_test(size=size) as pilot:
        try:
            await shown(pilot, lambda: app.window.story is not None and app.feed.progress.finished is not None)
            yield app, pilot
        finally:
            app.sender.leave()


async def shown(pilot: Pilot[None], is_so: Callable[[], bool], what: str = "the screen") -> None:
    """Wait until something is so."""

    async def look() -> bool:
        await pilot.pause()
        return is_so()

    await eventually_async(look, what=what)


async def sent(pilot: Pilot[None], sender: DecisionSender) -> None:
    """Wait until nothing is on its way."""
    await shown(pilot, lambda: not sender.count_waiting(), what="the decisions to be sent")


def text_of(app: ReviewApp, part: str) -> str:
    """What a part shows."""
    return str(app.screen_stack[0].query_one(f"#{part}", Static).render())


def place_of(app: ReviewApp) -> int:
    """The place in its run of the story that is read."""
    assert app.window.story is not None
    return int(app.window.story["position"])


async def first_of(client: httpx2.AsyncClient, run: str) -> dict[str, Any]:
    """The first story of a run."""
    found = await client.get("/v1/stories", params={"generation_id": run, "limit": 1})
    story: dict[str, Any] = found.json()["data"][0]
    return story
