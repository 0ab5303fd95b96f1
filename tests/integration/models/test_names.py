"""What a model's name means to whom (aliases, old names, foreign models), and the contract that comes with it."""

import pytest
from sqlalchemy import select

from shared import ids
from shared.stores.db.models import Completion, DatasetRow, DatasetVersion, FineTuningJob
from tests.support.gateway import assert_openai_error, new_name
from tests.support.interactive import eventually_async
from tests.support.tuned_models import ARTICLE_TEMPLATE, Tenant
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def complete(tenant: Tenant, model: str, prompt: str, **fields: object) -> dict[str, object]:
    """Ask for a text; return the answer's body and headers."""
    response = await tenant.client.post(
        "/v1/completions", json={"model": model, "prompt": prompt, "max_tokens": 8, **fields}
    )
    assert response.status_code == 200, response.text
    return {**response.json(), "headers": dict(response.headers)}


async def wait_for_run(tenant: Tenant, path: str) -> None:
    """Wait until a run has succeeded."""

    async def is_over() -> bool:
        return bool((await tenant.client.get(path)).json()["status"] == "succeeded")

    await eventually_async(is_over, what="the run")


async def test_the_articles_prompt_is_mended_and_its_stop_is_added(tenant: Tenant) -> None:
    model = await tenant.tune(new_name("ft:curie"), template=ARTICLE_TEMPLATE)
    tenant.mill.upstream.calls.clear()
    answer = await complete(tenant, model.name, "宋,发射激光,艰难 ->\n")
    sent = tenant.mill.upstream.calls[-1].body
    assert (sent["prompt"], sent["stop"]) == ("宋,发射激光,艰难 ->", ["."])
    assert '" ->"' in answer["headers"]["x-storymill-warning"]  # type: ignore[index]
    answer = await complete(tenant, model.name, "宋,发射激光,艰难 ->", stop=["!"])
    assert tenant.mill.upstream.calls[-1].body["stop"] == ["!"]
    assert "x-storymill-warning" not in answer["headers"]  # type: ignore[operator]


async def test_an_old_name_goes_on_working_with_the_newer_model(tenant: Tenant) -> None:
    old_name = f"curie:ft-org:ultraman-{new_name('2023')}"
    first = await tenant.tune(new_name("ft:first"), legacy_name=old_name)
    second = await tenant.tune(new_name("ft:second"), parent=first)
    assert (await complete(tenant, old_name, "a"))["model"] == old_name
    assert tenant.mill.upstream.calls[-1].body["model"] == first.name
    response = await tenant.client.post("/v1/model_aliases", json={"alias": old_name, "model": second.name})
    assert response.status_code == 200, response.text
    legacy = await tenant.client.post(f"/v1/engines/{old_name}/completions", json={"prompt": "a", "max_tokens": 4})
    assert (legacy.status_code, legacy.json()["model"]) == (200, old_name)
    assert legacy.headers["x-storymill-model"] == second.name
    assert tenant.mill.upstream.calls[-1].body["model"] == second.name
    assert (await complete(tenant, first.name, "a"))["model"] == first.name


async def test_another_projects_model_is_not_there(tenant: Tenant, other: Tenant) -> None:
    model = await other.tune(new_name("ft:theirs"))
    listed = [one["id"] for one in (await tenant.client.get("/v1/models")).json()["data"]]
    assert MODEL in listed
    assert model.name not in listed
    assert_openai_error(await tenant.client.get(f"/v1/models/{model.name}"), 404, code="model_not_found")
    asked = await tenant.client.post("/v1/completions", json={"model": model.name, "prompt": "a"})
    assert_openai_error(asked, 404, code="model_not_found")
    assert_openai_error(await tenant.client.delete(f"/v1/models/{model.name}"), 404)
    alias = await tenant.client.post("/v1/model_aliases", json={"alias": "mine@prod", "model": model.name})
    assert_openai_error(alias, 404, param="model")
    run = {"recipe": {"template": "a", "attributes": {}, "model": model.name}}
    assert_openai_error(await tenant.client.post("/v1/generations", json=run), 404, code="model_not_found")
    assert model.name in [one["id"] for one in (await other.client.get("/v1/models")).json()["data"]]


async def test_a_canary_gets_its_share_of_the_requests(tenant: Tenant) -> None:
    main, canary = await tenant.tune(new_name("ft:main")), await tenant.tune(new_name("ft:canary"))
    body = {"alias": "ultraman@prod", "model": main.name, "canary_model": canary.name, "canary_share": 0.5}
    assert (await tenant.client.post("/v1/model_aliases", json=body)).status_code == 200
    for _ in range(24):
        await complete(tenant, "ultraman@prod", "a")
    async with tenant.mill.database.transaction() as session:
        query = select(Completion.request["model"].astext).where(Completion.project_id == tenant.project_id)
        served = list(await session.scalars(query))
    assert set(served) == {main.name, canary.name}  # fails once in 8 million runs
    shown = (await tenant.client.get("/v1/models/ultraman@prod")).json()
    assert (shown["id"], shown["resolves_to"]) == ("ultraman@prod", main.name)


async def test_a_run_keeps_the_contract_and_the_model_that_the_alias_led_to(tenant: Tenant) -> None:
    model = await tenant.tune(new_name("ft:run"), template=ARTICLE_TEMPLATE)
    await tenant.client.post("/v1/model_aliases", json={"alias": "runs", "model": model.name})
    recipe = {"template": "{{ dynasty }},隐形", "attributes": {"dynasty": ["唐", "宋"]}, "repeats": 1, "model": "runs"}
    tenant.mill.upstream.calls.clear()
    response = await tenant.client.post("/v1/generations", json={"recipe": {**recipe, "parameters": {"max_tokens": 9}}})
    assert response.status_code == 202, response.text
    assert response.headers["x-storymill-model"] == model.name
    assert "x-storymill-warning" in response.headers
    path = response.headers["location"]

    await wait_for_run(tenant, path)
    sent = [(call.body["model"], call.body["prompt"], call.body["stop"]) for call in tenant.mill.upstream.calls]
    assert sorted(sent) == sorted((model.name, f"{dynasty},隐形 ->", ["."]) for dynasty in ("唐", "宋"))


async def test_a_storys_lineage_names_the_models_that_learned_it(tenant: Tenant) -> None:
    recipe = {"template": "{{ n }}", "attributes": {"n": ["1"]}, "repeats": 1, "model": MODEL}
    run = await tenant.client.post("/v1/generations", json={"recipe": recipe})
    await wait_for_run(tenant, run.headers["location"])
    story_id = (await tenant.client.get("/v1/stories")).json()["data"][0]["id"]
    version_id = await add_version(tenant, story_id)
    parent = await tenant.tune(new_name("ft:learned"), dataset_version_id=version_id)
    child = await tenant.tune(new_name("ft:replayed"), parent=parent)
    stranger = await tenant.tune(new_name("ft:stranger"), parent=parent)
    async with tenant.mill.database.transaction() as session:
        for model, position in ((child, 7), (stranger, 8)):
            job = await session.get_one(FineTuningJob, model.job_id)
            job.replay = {"share": 0.5, "positions": {version_id: [3, position]}}
    lineage = (await tenant.client.get(f"/v1/stories/{story_id}/lineage")).json()
    assert [(one["model"], one["by_replay"]) for one in lineage["models"]] == [(parent.name, False), (child.name, True)]


async def add_version(tenant: Tenant, story_id: str) -> str:
    """Make a dataset version whose training row 7 is the story."""
    file_id, version_id = await tenant.upload(b"{}\n"), ids.new_id(ids.DATASET_VERSION)
    async with tenant.mill.database.transaction() as session:
        version = DatasetVersion(id=version_id, project_id=tenant.project_id, template={}, train_file_id=file_id)
        version.train_rows, version.validation_rows = 1, 0
        session.add(version)
        await session.flush()
        place = {"position": 7, "split": "train", "byte_start": 0, "byte_count": 2}
        session.add(DatasetRow(version_id=version_id, story_id=story_id, **place))
    return version_id
