"""How far a run's grid is filled: counts by two attributes, reasons of failures, stories by place."""

from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")

ATTRIBUTES: dict[str, Any] = {"dynasty": ["唐", "宋"], "power": {"weighted": {"飞行": 2, "隐形": 1}}, "level": [1, 2]}


async def start_run(client: httpx2.AsyncClient, attributes: dict[str, Any], **fields: Any) -> str:
    recipe = {"template": "写 {{ dynasty }}", "attributes": attributes, "model": MODEL, **fields}
    answer = await client.post("/v1/generations", json={"recipe": recipe})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def test_cells_are_counted_in_the_grids_order(gateway: Mill, client: httpx2.AsyncClient) -> None:
    run = await start_run(client, ATTRIBUTES)
    told = (await client.get(f"/v1/generations/{run}/coverage", params={"x": "power", "y": "level"})).json()
    assert told["attributes"] == ["dynasty", "power", "level"]
    assert (told["x"], told["y"]) == (
        {"name": "power", "values": ["飞行", "隐形"]},
        {"name": "level", "values": [1, 2]},
    )
    totals = {(cell["x"], cell["y"]): cell["total"] for cell in told["cells"]}
    assert totals == {("飞行", 1): 4, ("飞行", 2): 4, ("隐形", 1): 2, ("隐形", 2): 2}
    first = (await client.get(f"/v1/generations/{run}/coverage")).json()
    assert (first["x"]["name"], first["y"]["name"]) == ("dynasty", "power")


async def test_one_attribute_is_one_row_and_none_is_no_grid(gateway: Mill, client: httpx2.AsyncClient) -> None:
    run = await start_run(client, {"dynasty": ["唐", "宋"]}, repeats=3)
    told = (await client.get(f"/v1/generations/{run}/coverage")).json()
    assert told["y"] == {"name": None, "values": [None]}
    assert [cell["total"] for cell in told["cells"]] == [3, 3]
    bare = await start_run(client, {}, template="写")
    assert (await client.get(f"/v1/generations/{bare}/coverage")).json()["cells"] == []


async def test_a_wrong_attribute_is_named(gateway: Mill, client: httpx2.AsyncClient) -> None:
    run = await start_run(client, ATTRIBUTES)
    refused = await client.get(f"/v1/generations/{run}/coverage", params={"x": "power", "y": "nobody"})
    assert "dynasty, power, level" in assert_openai_error(refused, 400, param="y")["message"]
    async with await gateway.client(new_name("other")) as stranger:
        assert_openai_error(await stranger.get(f"/v1/generations/{run}/coverage"), 404)
        assert_openai_error(await stranger.get(f"/v1/generations/{run}/failures"), 404)


async def test_stories_are_reached_by_their_place(gateway: Mill, client: httpx2.AsyncClient) -> None:
    run = await start_run(client, ATTRIBUTES)
    asked = {"generation_id": run, "from_position": 7, "limit": 3, "review": "none"}
    found = (await client.get("/v1/stories", params=asked)).json()
    assert [story["position"] for story in found["data"]] == [7, 8, 9]
    assert_openai_error(await client.get("/v1/stories?from_position=1"), 400, param="from_position")
    assert (await client.get(f"/v1/generations/{run}/failures")).json()["data"] == []


async def test_cells_of_a_run_with_a_limit_are_those_that_it_begins(gateway: Mill, client: httpx2.AsyncClient) -> None:
    recipe = {"template": "写 {{ dynasty }}", "attributes": {"dynasty": ["唐", "宋"]}, "model": MODEL, "repeats": 3}
    made = (await client.post("/v1/generations", json={"recipe": recipe, "limit": 4})).json()
    told = (await client.get(f"/v1/generations/{made['id']}/cells")).json()
    assert told == {"object": "generation.cells", "id": made["id"], "total": 2, "filled": 0}
    async with gateway.database.transaction() as session:
        values = {"id": made["id"]}
        await session.execute(text("update story set status = 'succeeded' where generation_id = :id"), values)
    told = (await client.get(f"/v1/generations/{made['id']}/cells")).json()
    assert (told["total"], told["filled"]) == (2, 2)
    assert_openai_error(await client.get("/v1/generations/gen-none/cells"), 404)
