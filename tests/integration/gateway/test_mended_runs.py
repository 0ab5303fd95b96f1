"""Runs that stopped, or lost stories, and are mended: other parameters for a refused recipe, failed stories retried."""

import httpx2
import pytest

from tests.integration.gateway.test_generations import finish, recipe, start
from tests.support.gateway import Mill, assert_openai_error
from tests.support.interactive import eventually_async
from tests.support.upstream_script import Script, bad_request

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_failed_stories_are_retried_and_a_refused_recipe_is_changed(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    mill.upstream.choose = lambda call: None if call.body["max_tokens"] == 7 else bad_request("max_tokens too large")
    made = await start(client, recipe=recipe(parameters={"max_tokens": 900}))
    url = f"/v1/generations/{made['id']}"

    async def paused() -> bool:
        return bool((await client.get(url)).json()["status"] == "paused")

    await eventually_async(paused, what="the refusal to pause the run")
    run = (await client.get(url)).json()
    assert "max_tokens too large" in run["status_reason"]
    assert (run["counts"]["failed"], run["resumes_at"]) == (0, None)
    assert_openai_error(await client.post(f"{url}/retry"), 400, code="conflict")
    assert (await client.patch(url, json={"parameters": {"max_tokens": 7}})).status_code == 200
    await client.post(f"{url}/resume")
    over = await finish(client, made["id"])
    assert (over["status"], over["counts"]["failed"]) == ("succeeded", 0)
    assert_openai_error(await client.patch(url, json={"parameters": {"max_tokens": 8}}), 400, code="conflict")

    mill.upstream.choose = lambda call: (
        Script(finish_reason="content_filter") if call.body["max_tokens"] == 601 else None
    )
    filtered = await start(client, recipe=recipe(parameters={"max_tokens": 601}))
    ended = await finish(client, filtered["id"])
    assert ended["counts"]["failed"] == 12, ended
    mill.upstream.choose = None
    url = f"/v1/generations/{filtered['id']}"
    assert_openai_error(await client.post(f"{url}/retry", json={"failure_class": "timeout"}), 400, code="conflict")
    again = (await client.post(f"{url}/retry", json={"failure_class": "content_filter"})).json()
    assert (again["counts"]["failed"], again["status"] != "failed") == (0, True)
    assert (await finish(client, filtered["id"]))["counts"]["succeeded"] == 12
