"""A higher `repeats` adds to the run that is there: what is written stays, and is not paid again."""

from typing import Any

import httpx2
import pytest

from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.interactive import eventually_async
from tests.support.upstream import MODEL
from tests.support.upstream_script import prompt_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


def order(mark: str, repeats: int, **changes: Any) -> dict[str, Any]:
    """Four cells, so many stories of each."""
    recipe = {
        "template": mark + "{{ dynasty }}{{ power }}",
        "attributes": {"dynasty": ["唐", "宋"], "power": ["飞", "隐"]},
        "repeats": repeats,
        "model": MODEL,
        "parameters": {"max_tokens": 600},
    }
    return {"recipe": recipe, "extend": True, **changes}


async def finish(client: httpx2.AsyncClient, run_id: str) -> dict[str, Any]:
    """Wait until a run is over and return it."""
    found: dict[str, Any] = {}

    async def is_over() -> bool:
        found.update((await client.get(f"/v1/generations/{run_id}")).json())
        return found["status"] in {"succeeded", "failed"}

    await eventually_async(is_over, timeout_seconds=60, what="the run to end")
    return found


async def read_stories(client: httpx2.AsyncClient, run_id: str) -> list[dict[str, Any]]:
    """Return the stories in the run's order."""
    data: list[dict[str, Any]] = (await client.get(f"/v1/stories?generation_id={run_id}&limit=100")).json()["data"]
    return data


async def test_missing_repeats_are_added_and_nothing_is_written_twice(mill: Mill, client: httpx2.AsyncClient) -> None:
    mark = new_name("续")
    made = (await client.post("/v1/generations", json=order(mark, 2))).json()
    await finish(client, made["id"])
    before = await read_stories(client, made["id"])
    export = (await client.get(f"/v1/generations/{made['id']}/export")).content
    more = (await client.post("/v1/generations", json=order(mark, 5))).json()
    assert more["id"] == made["id"]
    ended = await finish(client, made["id"])
    assert (ended["repeats"], ended["counts"]["succeeded"], ended["counts"]["total"]) == (5, 20, 20)
    cells = (await client.get(f"/v1/generations/{made['id']}/cells")).json()
    assert (cells["total"], cells["filled"]) == (4, 4)
    after = await read_stories(client, made["id"])
    assert [story["id"] for story in after[:8]] == [story["id"] for story in before]
    cells = [tuple(story["attributes"].values()) for story in after]
    assert {(cell, story["repeat"]) for cell, story in zip(cells, after, strict=True)} == {
        (cell, repeat) for cell in cells for repeat in range(5)
    }
    assert len([call for call in mill.upstream.calls if prompt_of(call.body).startswith(mark)]) == 20
    assert (await client.get(f"/v1/generations/{made['id']}/export")).content.startswith(export)
    again = (await client.post("/v1/generations", json=order(mark, 3))).json()
    assert (again["id"], again["counts"]["total"], again["status"]) == (made["id"], 20, "succeeded")


async def test_another_recipe_is_another_run_and_a_limited_one_is_not_extended(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    mark = new_name("别")
    made = (await client.post("/v1/generations", json=order(mark, 1, limit=3, extend=False))).json()
    assert_openai_error(await client.post("/v1/generations", json=order(mark, 2)), 400, param="extend")
    assert_openai_error(await client.post("/v1/generations", json=order(mark, 2, limit=2)), 400, param="limit")
    changed = order(mark, 2)
    changed["recipe"]["parameters"] = {"max_tokens": 500}
    other = (await client.post("/v1/generations", json=changed)).json()
    assert other["id"] != made["id"]
    for run_id in (made["id"], other["id"]):
        await finish(client, run_id)
