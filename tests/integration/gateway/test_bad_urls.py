"""URLs that ask for what is not there: methods that no route has, and days that are none."""

import httpx2
import pytest

from tests.support.gateway import assert_openai_error

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("gateway")]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("OPTIONS", "/v1/files", "GET, POST"),
        ("PUT", "/v1/files/file-1", "DELETE, GET"),
        ("DELETE", "/v1/datasets/ds_1/rows", "GET"),
        ("GET", "/v1/completions", "POST"),
    ],
)
async def test_a_wrong_method_is_told_which_are_right(
    client: httpx2.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await client.request(method, path)
    assert_openai_error(answer, 405)
    assert answer.headers["allow"] == allowed


async def test_a_parameter_is_given_once(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/v1/prices?on=2026-01-01&on=2026-02-01")
    assert assert_openai_error(answer, 400)["param"] == "on"


@pytest.mark.parametrize("day", ["0", "0.0", "1767225600", "-1", "31.1.2026", "2026-01-31T00:00:00", ""])
async def test_a_day_is_a_day_and_no_number_of_seconds(client: httpx2.AsyncClient, day: str) -> None:
    assert_openai_error(await client.get("/v1/prices", params={"on": day}), 400)
    assert_openai_error(await client.post("/v1/roi", json={"shutdown_date": day}), 400)
    assert_openai_error(await client.post("/v1/roi", json={"on": 0}), 400)
