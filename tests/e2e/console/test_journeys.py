"""What people do in the console, in a real browser on a real mill: from nothing to reviewed stories, and texts that
stream."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import PATIENCE_MS, Watched, open_page
from tests.support.console_mill import ConsoleMill
from tests.support.upstream import MODEL

expect.set_options(timeout=PATIENCE_MS)


def start_first_run(page: Page, base_url: str) -> None:
    """Go the newcomer's way: home, the sample recipe, a few cells."""
    page.goto(f"{base_url}/console/")
    page.get_by_role("link", name="Start with a recipe").click()
    page.get_by_role("link", name="Begin with the article's recipe").click()
    page.get_by_role("button", name="Try 6 first").click()


def test_a_newcomer_writes_and_reviews_stories(mill: ConsoleMill, console: Watched) -> None:
    page = console.page
    start_first_run(page, mill.base_url)
    expect(page.locator("h1")).to_have_text("ultraman")
    expect(page.locator(".badge", has_text="succeeded")).to_be_visible()
    expect(page.locator(".cell[data-step='5']")).to_have_count(2)
    page.get_by_role("link", name="Read the stories").click()
    expect(page.locator(".peek .story-text").first).to_contain_text("奥特曼")
    for key in "arj":
        page.keyboard.press(key)
    expect(page.locator(".story-row[data-review='accepted']")).to_have_count(1)
    expect(page.locator(".story-row[data-review='rejected']")).to_have_count(1)
    page.keyboard.press("u")
    expect(page.locator(".story-row[data-review='rejected']")).to_have_count(0)
    page.reload()
    expect(page.locator(".story-row[data-review='accepted']")).to_have_count(1)
    with mill.api() as api:
        reviews = [story["review"] for story in api.list_all("/stories")]
    assert reviews == ["accepted", None, None, None, None, None]


def test_texts_stream_side_by_side_through_a_reload(mill: ConsoleMill, console: Watched) -> None:
    console.open(f"/playground?models={MODEL},{MODEL}")
    page = console.page
    page.get_by_label("Prompt", exact=True).fill("唐,飞行,努力 ->")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".panel .story-text").first).to_contain_text("唐朝")
    page.reload()
    expect(page.get_by_text("sha256 verified")).to_have_count(2)
    expect(page.locator(".panel .story-text").last).to_contain_text("长安重归安宁")
    with mill.api() as api:
        streams = re.findall(r"str_\w+", page.url)
        assert [api.get(f"/streams/{stream}")["status"] for stream in streams] == ["succeeded"] * 2


def test_a_key_logs_in_and_a_logout_ends_it(mill: ConsoleMill, browser: Browser) -> None:
    with open_page(browser, mill.base_url, language="zh") as watched, mill.api() as api:
        page = watched.page
        page.goto(f"{mill.base_url}/console/system")
        page.get_by_label("API 密钥").fill("sm_wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("API 密钥").fill(api.api_key)
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("系统")
        assert api.api_key not in page.content()
        assert page.evaluate("localStorage.length + sessionStorage.length") == 0
        page.get_by_role("button", name="退出登录").click()
        expect(page.get_by_label("API 密钥")).to_be_visible()
        watched.expect_no_trouble()


@pytest.mark.soak
def test_a_text_survives_the_death_of_the_streaming_service(mill: ConsoleMill, console: Watched) -> None:
    console.open(f"/playground?models={MODEL}")
    page = console.page
    page.get_by_label("Prompt", exact=True).fill("宋,隐形,艰难 ->")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".panel .story-text").first).to_contain_text("唐朝")
    mill.kill("streaming")
    expect(page.get_by_text("sha256 verified")).to_have_count(1)
    console.troubles[:] = [trouble for trouble in console.troubles if "ws://" not in trouble]
