"""Runs and recipes are deleted with what hangs on them, when they are over and nobody tells of them; what they cost
stays."""

from typing import Any

import httpx2
import psycopg
import pytest

from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def make_run(client: httpx2.AsyncClient, recipe: str) -> str:
    """Record a recipe and a run of it, on which nobody works; return the run's id."""
    content = {"name": recipe, "template": "{{ a }}", "attributes": {"a": ["x", "y"]}, "model": MODEL}
    assert (await client.post("/v1/recipes", json=content)).status_code == 201
    answer = await client.post("/v1/generations", json={"recipe": recipe})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def count(gateway: Mill, statement: str, value: str) -> int:
    """Return a count of rows."""
    with psycopg.connect(gateway.database_url) as connection:
        row = connection.execute(statement, [value]).fetchone()
    assert row is not None
    return int(row[0])


def run_sql(gateway: Mill, statement: str, values: list[Any]) -> None:
    """Change rows as a worker does."""
    with psycopg.connect(gateway.database_url) as connection:
        connection.execute(statement, values)


async def test_a_run_is_deleted_with_its_stories_and_its_recipe_after_it(
    client: httpx2.AsyncClient, gateway: Mill
) -> None:
    name = new_name("recipe")
    run = await make_run(client, name)
    refused = await client.delete(f"/v1/generations/{run}")
    assert_openai_error(refused, 400, code="conflict", param="id")
    assert "Cancel it first" in refused.json()["error"]["message"]
    await client.post(f"/v1/generations/{run}/cancel")
    assert_openai_error(await client.delete(f"/v1/recipes/{name}"), 400, code="recipe_in_use")
    deleted = await client.delete(f"/v1/generations/{run}")
    assert deleted.json() == {"id": run, "object": "generation", "deleted": True}
    assert_openai_error(await client.get(f"/v1/generations/{run}"), 404)
    assert_openai_error(await client.delete(f"/v1/generations/{run}"), 404)
    assert count(gateway, "select count(*) from story where generation_id = %s", run) == 0
    answer = await client.delete(f"/v1/recipes/{name}")
    assert answer.json()["deleted"] is True
    assert_openai_error(await client.get(f"/v1/recipes/{name}"), 404)
    assert count(gateway, "select count(*) from recipe_version where recipe_id = %s", answer.json()["id"]) == 0


async def test_a_run_whose_last_calls_are_under_way_waits_for_them(client: httpx2.AsyncClient, gateway: Mill) -> None:
    run = await make_run(client, new_name("recipe"))
    await client.post(f"/v1/generations/{run}/cancel")
    run_sql(gateway, "update generation set running = 2 where id = %s", [run])
    refused = await client.delete(f"/v1/generations/{run}")
    assert_openai_error(refused, 400, code="conflict")
    assert "2 calls are under way" in refused.json()["error"]["message"]


async def test_what_a_deleted_run_cost_stays_on_the_books(client: httpx2.AsyncClient, gateway: Mill) -> None:
    run = await make_run(client, new_name("recipe"))
    await client.post(f"/v1/generations/{run}/cancel")
    book = """
        insert into ledger_entry (id, project_id, api_key_id, attempt_id, generation_id, provider, model, cost_usd)
        select 'led_' || id, project_id, api_key_id, 'att_' || id, id, 'p', 'm', 1 from generation where id = %s
    """
    run_sql(gateway, book, [run])
    assert (await client.delete(f"/v1/generations/{run}")).status_code == 200
    assert count(gateway, "select count(*) from ledger_entry where generation_id = %s", run) == 1


async def test_a_run_that_a_dataset_was_made_from_stays(client: httpx2.AsyncClient, gateway: Mill) -> None:
    run = await make_run(client, new_name("recipe"))
    run_sql(gateway, "update generation set succeeded = 1 where id = %s", [run])
    order = await client.post("/v1/datasets", json={"sources": [{"generation": run}]})
    assert order.status_code == 202, order.text
    await client.post(f"/v1/generations/{run}/cancel")
    refused = await client.delete(f"/v1/generations/{run}")
    assert_openai_error(refused, 400, code="generation_in_use")
    assert order.json()["id"] in refused.json()["error"]["message"]
    await client.post(f"/v1/datasets/{order.json()['id']}/cancel")
    await client.delete(f"/v1/datasets/{order.json()['id']}")
    assert (await client.delete(f"/v1/generations/{run}")).status_code == 200


async def test_another_projects_runs_and_recipes_are_not_there(client: httpx2.AsyncClient, gateway: Mill) -> None:
    name = new_name("recipe")
    run = await make_run(client, name)
    await client.post(f"/v1/generations/{run}/cancel")
    recipe = (await client.get(f"/v1/recipes/{name}")).json()["id"]
    async with await gateway.client(new_name("stranger")) as stranger:
        for path in (f"/v1/generations/{run}", f"/v1/recipes/{name}", f"/v1/recipes/{recipe}"):
            made_up = await stranger.delete(path.replace(run, "gen_no").replace(recipe, "rcp_no").replace(name, "no"))
            assert_openai_error(made_up, 404)
            assert_openai_error(await stranger.delete(path), 404)
    assert (await client.get(f"/v1/generations/{run}")).status_code == 200


async def test_a_key_that_only_reads_deletes_nothing(client: httpx2.AsyncClient, gateway: Mill) -> None:
    name = new_name("recipe")
    run = await make_run(client, name)
    await client.post(f"/v1/generations/{run}/cancel")
    async with await gateway.client("default", ("read",)) as reader:
        assert_openai_error(await reader.delete(f"/v1/generations/{run}"), 403)
        assert_openai_error(await reader.delete(f"/v1/recipes/{name}"), 403)
