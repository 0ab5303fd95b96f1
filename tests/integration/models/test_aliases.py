"""Aliases: promoted, rolled back, audited; and the end of models that they lead to."""

import asyncio

import pytest
from sqlalchemy import select

from shared.stores.db.models import Model
from tests.support.gateway import assert_openai_error, new_name
from tests.support.interactive import eventually_async
from tests.support.tuned_models import Tenant
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_promotions_are_rolled_back_one_by_one_and_leave_a_trail(tenant: Tenant) -> None:
    names = [(await tenant.tune(new_name("ft:m"))).name for _ in range(3)]
    for name in names:
        body = {"alias": "ultraman@prod", "model": name, "reason": f"try {name}"}
        assert (await tenant.client.post("/v1/model_aliases", json=body)).json()["model"] == name
    path = "/v1/model_aliases/ultraman@prod"
    assert (await tenant.client.post(f"{path}/rollback")).json()["model"] == names[1]
    assert (await tenant.client.post(f"{path}/rollback", json={"reason": "worse"})).json()["model"] == names[0]
    assert_openai_error(await tenant.client.post(f"{path}/rollback"), 400, code="nothing_to_roll_back")
    found = (await tenant.client.get(path)).json()
    assert [change["action"] for change in found["history"]] == [
        *("created", "promoted", "promoted"),
        *("rolled_back", "rolled_back"),
    ]
    assert [change["version"] for change in found["history"]] == [1, 2, 3, 4, 5]
    assert found["history"][-1]["reason"] == "worse"
    assert {change["changed_by"] for change in found["history"]} == {tenant.api_key_id}
    assert (await tenant.client.delete(path)).json()["deleted"] is True
    assert_openai_error(await tenant.client.get(path), 404)


async def test_promotions_at_the_same_time_are_all_in_the_trail(tenant: Tenant) -> None:
    name = (await tenant.tune(new_name("ft:m"))).name
    body = {"alias": "busy", "model": name}
    answers = await asyncio.gather(*(tenant.client.post("/v1/model_aliases", json=body) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    history = (await tenant.client.get("/v1/model_aliases/busy")).json()["history"]
    assert [change["version"] for change in history] == list(range(1, 9))
    assert [change["action"] for change in history].count("created") == 1


async def test_an_alias_hides_no_model_and_stays_in_its_project(tenant: Tenant, other: Tenant) -> None:
    name = (await tenant.tune(new_name("ft:m"))).name
    for taken in (name, MODEL):
        refused = await tenant.client.post("/v1/model_aliases", json={"alias": taken, "model": MODEL})
        assert_openai_error(refused, 400, code="name_taken")
    half = {"alias": "a", "model": MODEL, "canary_model": name}
    assert_openai_error(await tenant.client.post("/v1/model_aliases", json=half), 400)
    await tenant.client.post("/v1/model_aliases", json={"alias": "mine", "model": name})
    assert_openai_error(await other.client.get("/v1/model_aliases/mine"), 404)
    assert (await other.client.get("/v1/model_aliases")).json()["data"] == []
    asked = await other.client.post("/v1/completions", json={"model": "mine", "prompt": "a"})
    assert_openai_error(asked, 404, code="model_not_found")


async def test_a_model_is_deleted_here_at_once_and_at_its_provider_soon(tenant: Tenant) -> None:
    parent = await tenant.tune(new_name("ft:parent"))
    child = await tenant.tune(new_name("ft:child"), parent=parent)
    await tenant.client.post("/v1/model_aliases", json={"alias": "old", "model": parent.name})
    refused = assert_openai_error(await tenant.client.delete(f"/v1/models/{parent.name}"), 400, code="model_in_use")
    assert "'old'" in refused["message"]
    assert_openai_error(await tenant.client.delete(f"/v1/models/{MODEL}"), 403)
    await tenant.client.post("/v1/model_aliases", json={"alias": "old", "model": child.name})
    deleted = await tenant.client.delete(f"/v1/models/{parent.name}")
    assert (deleted.status_code, deleted.json()["deleted"]) == (200, True)
    assert_openai_error(await tenant.client.get(f"/v1/models/{parent.name}"), 404)
    rolled_back = await tenant.client.post("/v1/model_aliases/old/rollback")
    assert_openai_error(rolled_back, 400, code="model_deleted")

    async def is_removed() -> bool:
        async with tenant.mill.database.transaction() as session:
            row = (await session.scalars(select(Model).where(Model.id == parent.id))).one()
            return row.removal_due_at is None

    await eventually_async(is_removed, what="the provider to be told")
    assert (await tenant.client.post("/v1/completions", json={"model": child.name, "prompt": "a"})).status_code == 200
    tree = (await tenant.client.get(f"/v1/models/{child.name}/tree")).json()
    assert tree["ancestors"] == [parent.name]
    assert tree["root"]["is_deleted"] is True
    assert [node["model"] for node in tree["root"]["children"]] == [child.name]
    assert tree["root"]["children"][0]["is_asked"] is True
    assert tree["root"]["children"][0]["aliases"] == ["old"]
