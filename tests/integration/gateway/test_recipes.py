"""Recipes: versions, order, lists, projects."""

import json
from typing import Any

import httpx2
import orjson
import pytest

from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")


def recipe(**changes: Any) -> dict[str, Any]:
    """A recipe whose attributes are in an order that JSONB would not keep."""
    return {
        "name": new_name("recipe"),
        "template": "{{ zebra }}与{{ ant }}，{{ size }}",
        "attributes": {"zebra": ["斑马"], "size": {"weighted": {"大": 2, "小": 1}}, "ant": {"range": [1, 9, 4]}},
        "repeats": 2,
        "model": MODEL,
        "parameters": {"max_tokens": 50},
        **changes,
    }


async def test_a_recipe_keeps_the_order_of_its_attributes(gateway: Mill, client: httpx2.AsyncClient) -> None:
    asked = recipe()
    response = await client.post("/v1/recipes", json=asked)
    assert response.status_code == 201
    made = response.json()
    assert response.headers["location"] == f"/v1/recipes/{made['id']}"
    assert (made["object"], made["version"], made["cells"], made["stories"]) == ("recipe", 1, 9, 18)
    for path in (f"/v1/recipes/{made['id']}", f"/v1/recipes/{asked['name']}"):
        found = (await client.get(path)).json()
        assert found == made
        assert list(found["attributes"]) == list(asked["attributes"])
    assert made["attributes"]["size"] == {"weighted": [["大", 2], ["小", 1]]}


async def test_new_content_makes_a_version_and_old_content_none(gateway: Mill, client: httpx2.AsyncClient) -> None:
    asked = recipe()
    first = await client.post("/v1/recipes", json=asked)
    same = await client.post("/v1/recipes", json=asked)
    assert (first.status_code, same.status_code) == (201, 200)
    assert same.json() == first.json()
    changed = await client.post("/v1/recipes", json={**asked, "repeats": 3})
    assert (changed.status_code, changed.json()["version"], changed.json()["id"]) == (201, 2, first.json()["id"])
    reordered = dict(reversed(asked["attributes"].items()))
    third = await client.post("/v1/recipes", content=orjson.dumps({**asked, "attributes": reordered}), headers=JSON)
    assert third.json()["version"] == 3
    assert (await client.get(f"/v1/recipes/{asked['name']}")).json()["version"] == 3


JSON = {"content-type": "application/json"}


async def test_what_was_read_can_be_recorded_again(gateway: Mill, client: httpx2.AsyncClient) -> None:
    made = (await client.post("/v1/recipes", json=recipe())).json()
    fields = ("name", "template", "attributes", "repeats", "model", "parameters", "format")
    again = await client.post("/v1/recipes", json={name: made[name] for name in fields})
    assert (again.status_code, again.json()["version"]) == (200, 1)


async def test_a_recipe_with_numbers_beyond_64_bits_can_be_read_and_listed(
    gateway: Mill, client: httpx2.AsyncClient
) -> None:
    huge = recipe(attributes={"zebra": [2**70, 0.1], "ant": [2**64 - 1], "size": [1e308]}, parameters={"bias": 1e30})
    response = await client.post("/v1/recipes", content=json.dumps(huge).encode(), headers=JSON)
    assert response.status_code == 201, response.text
    found = await client.get(f"/v1/recipes/{huge['name']}")
    assert found.json() == response.json()
    assert found.json()["attributes"] == huge["attributes"]
    assert (await client.get("/v1/recipes")).status_code == 200


async def test_lists_are_read_page_by_page_in_both_orders(gateway: Mill, client: httpx2.AsyncClient) -> None:
    made = [(await client.post("/v1/recipes", json=recipe())).json()["id"] for _ in range(5)]
    for order, expected in (("desc", made[::-1]), ("asc", made)):
        seen: list[str] = []
        page: dict[str, Any] = {"has_more": True, "last_id": None}
        while page["has_more"]:
            after = {"after": page["last_id"]} if page["last_id"] else {}
            page = (await client.get("/v1/recipes", params={"limit": 2, "order": order, **after})).json()
            assert page["object"] == "list"
            assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
            seen += [item["id"] for item in page["data"]]
        assert seen == expected


async def test_an_empty_list_says_so(gateway: Mill, client: httpx2.AsyncClient) -> None:
    for path in ("/v1/recipes", "/v1/generations", "/v1/stories"):
        page = (await client.get(path)).json()
        assert page == {"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None}


async def test_another_project_has_recipes_of_its_own(gateway: Mill, client: httpx2.AsyncClient) -> None:
    asked = recipe()
    mine = (await client.post("/v1/recipes", json=asked)).json()
    async with await gateway.client(new_name("stranger")) as stranger:
        for name in (mine["id"], mine["name"]):
            assert_openai_error(await stranger.get(f"/v1/recipes/{name}"), 404, code="not_found")
            run = await stranger.post("/v1/generations", json={"recipe": name})
            assert_openai_error(run, 404, code="not_found")
        assert (await stranger.get("/v1/recipes")).json()["data"] == []
        theirs = (await stranger.post("/v1/recipes", json=asked)).json()
    assert (theirs["version"], theirs["id"] == mine["id"]) == (1, False)
