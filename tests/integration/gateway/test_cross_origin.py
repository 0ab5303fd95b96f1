"""Pages of another origin: refused as long as nobody lets them in, then answered, errors and preflights included."""

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from tests.support.gateway import Mill, assert_openai_error, open_mill
from tests.support.gateway_fixtures import Stores

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = "https://app.example"
STRANGER = {"origin": "https://evil.example"}
ALLOWED = "access-control-allow-origin"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_gateway(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mill]:
    """A gateway that lets one page in."""
    async with open_mill(
        tmp_path_factory.mktemp("open"),
        database_url=stores.database_url,
        redis_url=stores.redis_url,
        allowed_origins=f" {PAGE}/ ,https://other.example",
    ) as mill:
        yield mill


def preflight(origin: str, method: str = "POST") -> dict[str, str]:
    """The headers of a browser that asks before it sends a key."""
    return {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,content-type,idempotency-key",
    }


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/tickets", "/v1/files"])
async def test_a_page_on_the_list_may_ask(path: str, open_gateway: Mill) -> None:
    async with await open_gateway.client() as client:
        asked = await client.options(path, headers=preflight(PAGE))
        assert (asked.status_code, asked.headers[ALLOWED]) == (200, PAGE)
        assert "idempotency-key" in asked.headers["access-control-allow-headers"]
        assert "DELETE" in asked.headers["access-control-allow-methods"]
        for answer in (
            await client.get("/v1/limits", headers={"origin": PAGE}),
            await client.post(path, headers={"origin": PAGE, "authorization": "Bearer no"}, json={}),
            await client.get("/v1/nothing", headers={"origin": PAGE}),
            await client.post(path, headers={"origin": PAGE}, content=b"x" * (9 << 20)),
        ):
            assert answer.headers[ALLOWED] == PAGE
            assert "x-storymill-stream-id" in answer.headers["access-control-expose-headers"]
            assert "origin" in answer.headers["vary"].lower()


async def test_another_page_is_told_why_not(open_gateway: Mill) -> None:
    async with await open_gateway.client() as client:
        asked = await client.options("/v1/responses", headers=preflight(STRANGER["origin"]))
        assert "STORYMILL_ALLOWED_ORIGINS" in assert_openai_error(asked, 403)["message"]
        assert ALLOWED not in asked.headers
        answer = await client.get("/v1/limits", headers=STRANGER)
        assert ALLOWED not in answer.headers
        assert answer.status_code == 200  # the browser keeps it from the page


async def test_nobody_is_let_in_by_default(gateway: Mill, client: httpx2.AsyncClient) -> None:
    asked = await client.options("/v1/responses", headers=preflight(PAGE))
    assert_openai_error(asked, 405)
    assert ALLOWED not in asked.headers
    assert ALLOWED not in (await client.get("/v1/limits", headers={"origin": PAGE})).headers
