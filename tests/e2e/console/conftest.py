"""One mill and one browser for the tests of a file: while a browser is open, no other test can have an event loop."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.support.browser import CHROMIUM, Watched, open_browser, open_page
from tests.support.console_mill import ConsoleMill, run_console_mill


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleMill]:
    """A whole mill on a scripted provider."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not there: install Debian's chromium (.ci/packages) to look at the console.")
    with run_console_mill(tmp_path_factory.mktemp("console") / "state") as running:
        yield running


@pytest.fixture(scope="module")
def browser(mill: ConsoleMill) -> Iterator[Browser]:
    """Chromium."""
    with open_browser() as opened:
        yield opened


@pytest.fixture
def logged_in(mill: ConsoleMill, browser: Browser) -> Iterator[BrowserContext]:
    """A browser that came in by a link."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(mill.make_link())
    page.wait_for_selector(".shell", timeout=30_000)
    page.close()
    yield context
    context.close()


@pytest.fixture
def console(mill: ConsoleMill, browser: Browser, logged_in: BrowserContext) -> Iterator[Watched]:
    """A page of someone who is logged in; nothing may go wrong on it."""
    with open_page(browser, mill.base_url, context=logged_in) as watched:
        yield watched
        watched.expect_no_trouble()
