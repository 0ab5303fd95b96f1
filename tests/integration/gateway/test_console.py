"""The console's door: its files under a strict policy, sessions, and who may send what with them."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from services.gateway.api_keys.service import revoke_key
from services.gateway.console.pages import DIST
from shared.auth.key_watch import KeyWatch
from shared.auth.tickets import redeem_ticket
from shared.errors import AuthenticationError
from shared.stores.redis.connection import open_redis
from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.interactive import eventually_async
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN_PAGE = {"sec-fetch-site": "same-origin", "x-storymill-console": "1"}
MOST_GZIP_BYTES = 120 * 1024
RECIPE: dict[str, Any] = {"template": "写一个{{ a }}的故事。", "attributes": {"a": ["一", "二"]}, "model": "m"}


@pytest_asyncio.fixture(loop_scope="module")
async def browser(gateway: Mill) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser without a session, which says where its requests come from."""
    async with httpx2.AsyncClient(base_url=gateway.base_url, headers=OWN_PAGE) as anyone:
        yield anyone


async def log_in(gateway: Mill, browser: httpx2.AsyncClient, **who: Any) -> httpx2.Response:
    answer = await browser.post("/console/session", json={"key": await gateway.key(**who)})
    assert answer.status_code == 201, answer.text
    return answer


async def test_a_key_opens_a_session_with_its_rights(gateway: Mill, browser: httpx2.AsyncClient) -> None:
    assert_openai_error(await browser.get("/console/session"), 401, code="no_session")
    answer = await log_in(gateway, browser, project=(project := new_name("p")), scopes=("read",))
    shown = answer.json()
    assert (shown["scopes"], shown["key"]["name"]) == (["read"], f"{project} read")
    assert await gateway.key(project, ("read",)) not in answer.text
    cookie = answer.headers["set-cookie"]
    assert re.match(r"storymill_session_\d+=[\w-]{43};", cookie)
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert (await browser.get("/console/session")).json()["id"] == shown["id"]
    assert (await browser.get("/v1/recipes")).json()["data"] == []
    refused = await browser.post("/v1/recipes", json={**RECIPE, "name": "r"})
    assert_openai_error(refused, 403, code="insufficient_permissions")


async def test_a_link_logs_in_once_and_opens_nothing_else(gateway: Mill, browser: httpx2.AsyncClient) -> None:
    async with await gateway.client(new_name("p")) as client:
        link = (await client.post("/v1/console_links")).json()
    ticket = link["url"].removeprefix("/console/#ticket=")
    assert (await browser.post("/console/session", json={"ticket": ticket})).status_code == 201
    browser.cookies.clear()
    assert_openai_error(await browser.post("/console/session", json={"ticket": ticket}), 401)
    async with await gateway.client(new_name("p")) as client:
        streaming = (await client.post("/v1/tickets")).json()["ticket"]
    assert_openai_error(await browser.post("/console/session", json={"ticket": streaming}), 401)


@pytest.mark.parametrize("body", [{}, {"key": ""}, {"key": "sm_x", "ticket": "tick_x"}, {"key": 1}, {"other": "x"}])
async def test_a_login_is_a_key_or_a_ticket(browser: httpx2.AsyncClient, body: dict[str, Any]) -> None:
    assert_openai_error(await browser.post("/console/session", json=body), 400)


async def test_what_a_session_opened_ends_with_logout(gateway: Mill, browser: httpx2.AsyncClient) -> None:
    await log_in(gateway, browser)
    run = (await browser.post("/v1/generations", json={"recipe": {**RECIPE, "model": MODEL}})).json()
    ticket = (await browser.post("/v1/tickets")).json()["ticket"]
    redis, keys = open_redis(gateway.redis_url), KeyWatch(gateway.database, look_seconds=0.05)
    principal = await redeem_ticket(redis, ticket)
    ended = asyncio.Event()
    with keys.watching(principal, ended.set):
        await keys.require_active(principal)
        async with browser.stream("GET", f"/v1/generations/{run['id']}/events") as response:
            pieces = response.aiter_text()
            said = await anext(pieces)
            assert (await browser.delete("/console/session")).status_code == 204
            async with asyncio.timeout(5):
                said += "".join([piece async for piece in pieces])
        await asyncio.wait_for(ended.wait(), 5)
    assert '"code":"invalid_api_key"' in said.strip().rsplit("\n\n", 1)[-1]
    with pytest.raises(AuthenticationError, match="session has ended"):
        await keys.require_active(principal)
    await keys.stop()
    await redis.aclose()


async def test_a_session_ends_with_logout_and_with_its_key(gateway: Mill, browser: httpx2.AsyncClient) -> None:
    await log_in(gateway, browser)
    token = dict(browser.cookies)
    assert (await browser.delete("/console/session")).status_code == 204
    assert not browser.cookies
    browser.cookies.update(token)
    assert_openai_error(await browser.get("/v1/recipes"), 401, code="session_ended")
    browser.cookies.clear()
    project = new_name("p")
    await log_in(gateway, browser, project=project)
    assert await revoke_key(gateway.database, gateway.key_ids[f"{project} read write"])

    async def is_over() -> bool:
        return (await browser.get("/v1/recipes")).status_code == 401

    await eventually_async(is_over, what="the session to end with its key", timeout_seconds=5)


async def test_an_idle_and_an_old_session_are_over(
    gateway: Mill, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for constant in ("IDLE", "OLDEST"):
        with monkeypatch.context() as patch:
            patch.setattr(f"services.gateway.console.sessions.{constant}", timedelta(seconds=-1))
            answer = await browser.post("/console/session", json={"key": await gateway.key()})
            assert_openai_error(answer, 401, code="session_ended")


SENDERS = {
    "another site": {"sec-fetch-site": "cross-site", "x-storymill-console": "1"},
    "another port of the host": {"sec-fetch-site": "same-site", "x-storymill-console": "1"},
    "a form": {"sec-fetch-site": "same-origin"},
    "an old browser elsewhere": {"origin": "http://evil.test", "x-storymill-console": "1"},
    "an old browser that says nothing": {"x-storymill-console": "1"},
}


@pytest.mark.parametrize("sender", SENDERS)
async def test_nobody_else_writes_with_a_session(gateway: Mill, browser: httpx2.AsyncClient, sender: str) -> None:
    await log_in(gateway, browser, project=new_name("p"))
    async with httpx2.AsyncClient(base_url=gateway.base_url, cookies=browser.cookies, headers=SENDERS[sender]) as other:
        refused = await other.post("/v1/recipes", json={**RECIPE, "name": "r"})
        assert_openai_error(refused, 403, code="cross_site_request")
        assert_openai_error(await other.delete("/console/session"), 403, code="cross_site_request")
        assert_openai_error(await other.post("/console/session", json={"key": "sm_x"}), 403, code="cross_site_request")
    assert (await browser.get("/v1/recipes")).json()["data"] == []


async def test_a_session_reads_for_own_pages_and_typed_addresses(gateway: Mill, browser: httpx2.AsyncClient) -> None:
    await log_in(gateway, browser)
    for site, status in (("same-origin", 200), ("none", 200), ("same-site", 403), ("cross-site", 403)):
        headers = {"sec-fetch-site": site}
        async with httpx2.AsyncClient(base_url=gateway.base_url, cookies=browser.cookies, headers=headers) as page:
            assert (await page.get("/v1/recipes")).status_code == status


async def test_an_old_browser_writes_from_its_own_origin(gateway: Mill, browser: httpx2.AsyncClient) -> None:
    await log_in(gateway, browser, project=new_name("p"))
    headers = {"origin": gateway.base_url, "x-storymill-console": "1"}
    async with httpx2.AsyncClient(base_url=gateway.base_url, cookies=browser.cookies, headers=headers) as old:
        assert (await old.post("/v1/recipes", json={**RECIPE, "name": "r"})).status_code == 201


async def test_beyond_loopback_a_login_needs_tls(gateway: Mill, browser: httpx2.AsyncClient) -> None:
    elsewhere = {"host": "mill.example:8000"}
    body = {"key": await gateway.key()}
    refused = await browser.post("/console/session", json=body, headers=elsewhere)
    assert_openai_error(refused, 400, code="console_needs_tls")
    behind_proxy = {"host": "mill.example", "x-forwarded-proto": "https"}
    cookie = (await browser.post("/console/session", json=body, headers=behind_proxy)).headers["set-cookie"]
    assert cookie.startswith("__Host-storymill_session=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


async def test_the_pages_come_under_a_policy_without_exceptions(browser: httpx2.AsyncClient) -> None:
    page = await browser.get("/console", follow_redirects=True)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "unsafe-" not in policy
    assert "*" not in policy
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "connect-src 'self' http://streaming.test:8001 ws://streaming.test:8001;" in policy
    assert not re.search(r"<style|<script(?![^>]* src=)|style=|\son\w+=", page.text)
    for path in ("/console/runs/gen_1", "/console/stories"):
        assert (await browser.get(path)).text == page.text
    for name in re.findall(r'(?:src|href)="(/console/[^"]+)"', page.text):
        assert (await browser.get(name)).status_code == 200, name
    assert_openai_error(await browser.get("/console/none.js"), 404)
    assert_openai_error(await browser.get("/console/%2e%2e/pages.py"), 404)


async def test_a_page_that_is_known_is_not_sent_again(browser: httpx2.AsyncClient) -> None:
    first = await browser.get("/console/console.js", headers={"accept-encoding": "identity"})
    again = await browser.get("/console/console.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    packed = await browser.get("/console/console.js", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == first.content


async def test_the_console_is_small() -> None:
    sent = [gzip.compress(path.read_bytes()) for path in DIST.iterdir() if path.name in {"console.js", "console.css"}]
    assert len(sent) == 2
    assert sum(map(len, sent)) <= MOST_GZIP_BYTES
