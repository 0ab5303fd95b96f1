"""Every page, in both languages, both colours and two widths: it says no error, and breaks no rule of WCAG 2.2 AA."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext

from tests.support.browser import NARROW, WIDE, Language, Theme, Watched, open_page
from tests.support.console_mill import ConsoleMill
from tests.support.console_pages import list_pages
from tests.support.console_seed import seed

pytestmark = pytest.mark.soak

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}


@pytest.fixture(scope="module")
def full(mill: ConsoleMill) -> dict[str, str]:
    """What the mill holds after some weeks."""
    return seed(mill.state_dir)


def find_violations(watched: Watched) -> list[str]:
    """Return what axe finds on the page as it is."""
    found: dict[str, Any] = Axe().run(watched.page, options=RULES).response
    return [
        f"{violation['id']}: {node['html'][:120]} ({node.get('failureSummary', '')[:200]})"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_every_page_is_open_to_all(
    mill: ConsoleMill,
    browser: Browser,
    logged_in: BrowserContext,
    full: dict[str, str],
    size: tuple[int, int],
    theme: Theme,
    language: Language,
) -> None:
    with open_page(browser, mill.base_url, size=size, theme=theme, language=language, context=logged_in) as watched:
        for name, path in list_pages(full).items():
            watched.open(path)
            watched.page.wait_for_timeout(700)
            assert find_violations(watched) == [], name
            width = watched.page.evaluate("document.documentElement.scrollWidth")
            assert width <= size[0], f"{name} is {width} px wide"
            watched.expect_no_trouble()
