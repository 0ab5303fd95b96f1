"""A real browser for tests of the console: Debian's Chromium, watched for everything that must not happen."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM: Final = Path("/usr/bin/chromium")
WIDE: Final = (1280, 900)
NARROW: Final = (390, 844)
PATIENCE_MS: Final = 90_000
"""The first estimate, say, starts a process of the gateway's; on a busy machine that takes its time."""
ALLOWED_STATUSES: Final = frozenset({401})
"""Answers that the console expects: who is not logged in is asked to."""

Theme = Literal["light", "dark"]
Language = Literal["en", "zh"]


@dataclass
class Watched:
    """A page and what went wrong on it: messages of its console, policy reports, failed requests."""

    page: Page
    base_url: str
    troubles: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Open a page of the console and wait for its heading."""
        self.page.goto(f"{self.base_url}/console{path}")
        self.page.wait_for_selector("h1, .empty h2", timeout=PATIENCE_MS)

    def expect_no_trouble(self) -> None:
        """Assert that nothing went wrong since the last look."""
        found, self.troubles[:] = list(self.troubles), []
        assert found == []


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Yield Chromium, which must be installed."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def open_page(
    browser: Browser,
    base_url: str,
    *,
    size: tuple[int, int] = WIDE,
    theme: Theme = "light",
    language: Language = "en",
    context: BrowserContext | None = None,
) -> Iterator[Watched]:
    """Yield a watched page, of a context of its own unless one that is logged in is given."""
    own = context or browser.new_context()
    width, height = size
    own.add_cookies([{"name": "storymill_view", "value": f"{language}.{theme}", "url": f"{base_url}/console/"}])
    page = own.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    watched = Watched(page, base_url)
    page.on("console", lambda message: note_message(watched, message.type, message.text))
    page.on("pageerror", lambda error: watched.troubles.append(f"error: {error}"))
    page.on("requestfailed", lambda request: note_failure(watched, request.url, request.failure))
    page.on("response", lambda answer: note_status(watched, answer.url, answer.status))
    yield watched
    page.close()
    if context is None:
        own.close()


def note_message(watched: Watched, kind: str, text: str) -> None:
    """Note what the browser complains of; policy reports are among it."""
    expected = re.search(r"status of (\d+)", text)
    if kind in {"error", "warning"} and not (expected and int(expected[1]) in ALLOWED_STATUSES):
        watched.troubles.append(f"{kind}: {text}")


def note_failure(watched: Watched, url: str, failure: str | None) -> None:
    """Note a request that got no answer; those that the page gave up itself are no failure."""
    if failure != "net::ERR_ABORTED":
        watched.troubles.append(f"failed: {url}: {failure}")


def note_status(watched: Watched, url: str, status: int) -> None:
    """Note an answer that tells of an error."""
    if status >= 400 and status not in ALLOWED_STATUSES:
        watched.troubles.append(f"{status}: {url}")
