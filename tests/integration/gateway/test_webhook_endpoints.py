"""Webhook endpoints as OpenAI's client manages them, and what is refused."""

import asyncio

import httpx2
import pytest
from openai import AsyncOpenAI

from tests.support.gateway import Mill, assert_openai_error, new_name

pytestmark = pytest.mark.asyncio(loop_scope="module")

TYPES = ["fine_tuning.job.succeeded", "fine_tuning.job.failed"]
PUBLIC = "https://8.8.8.8/hook"


def sdk(mill: Mill, key: str) -> AsyncOpenAI:
    """Return the official client."""
    return AsyncOpenAI(base_url=f"{mill.base_url}/v1", api_key=key, max_retries=0)


async def test_the_official_client_manages_endpoints(gateway: Mill) -> None:
    async with sdk(gateway, await gateway.key(new_name("project"))) as client:
        made = await client.webhooks.create(name="ours", url=PUBLIC, event_types=TYPES)  # type: ignore[arg-type]
        assert made.signing_secret.startswith("whsec_")
        assert made.event_types == TYPES
        found = await client.webhooks.retrieve(made.id)
        assert found.signing_secret_hint == f"whsec_...{made.signing_secret.rstrip('=')[-4:]}"
        assert not hasattr(found, "signing_secret")
        changed = await client.webhooks.update(made.id, name="renamed")
        assert (changed.name, changed.url) == ("renamed", PUBLIC)
        other = await client.webhooks.create(name="b", url=PUBLIC, event_types=["fine_tuning.job.cancelled"])
        assert [endpoint.id async for endpoint in client.webhooks.list(limit=1)] == [other.id, made.id]
        rotated = await client.webhooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
        assert rotated.signing_secret != made.signing_secret
        deleted = await client.webhooks.delete(made.id)
        assert (deleted.deleted, deleted.object) == (True, "webhook_endpoint.deleted")
        assert [endpoint.id async for endpoint in client.webhooks.list()] == [other.id]
        known = await client.webhooks.event_types.list()
        assert set(TYPES) < set(known.data)


async def test_targets_on_private_addresses_are_refused(client: httpx2.AsyncClient, gateway: Mill) -> None:
    before = await gateway.count_rows()
    for url in ("https://127.0.0.1/", "https://localhost/", "https://169.254.169.254/latest", "https://[::1]/"):
        answer = await client.post("/v1/webhook_endpoints", json={"name": "n", "url": url, "event_types": TYPES})
        assert_openai_error(answer, 400, param="url", code="private_webhook_url")
    answer = await client.post(
        "/v1/webhook_endpoints", json={"name": "n", "url": "http://8.8.8.8/", "event_types": TYPES}
    )
    assert_openai_error(answer, 400, param="url", code="invalid_webhook_url")
    assert await gateway.count_rows() == before


async def test_a_change_to_a_private_address_is_refused(client: httpx2.AsyncClient, gateway: Mill) -> None:
    made = (await client.post("/v1/webhook_endpoints", json={"name": "n", "url": PUBLIC, "event_types": TYPES})).json()
    answer = await client.post(f"/v1/webhook_endpoints/{made['id']}", json={"url": "https://10.0.0.1/"})
    assert_openai_error(answer, 400, code="private_webhook_url")
    assert (await client.get(f"/v1/webhook_endpoints/{made['id']}")).json()["url"] == PUBLIC


async def test_types_that_are_never_sent_are_refused(client: httpx2.AsyncClient, gateway: Mill) -> None:
    body = {"name": "n", "url": PUBLIC, "event_types": ["response.completed"]}
    assert_openai_error(await client.post("/v1/webhook_endpoints", json=body), 400)


async def test_endpoints_of_other_projects_are_not_there(client: httpx2.AsyncClient, gateway: Mill) -> None:
    made = (await client.post("/v1/webhook_endpoints", json={"name": "n", "url": PUBLIC, "event_types": TYPES})).json()
    async with await gateway.client(new_name("stranger")) as stranger:
        path = f"/v1/webhook_endpoints/{made['id']}"
        answers = await asyncio.gather(
            stranger.get(path),
            stranger.post(path, json={"name": "x"}),
            stranger.delete(path),
            stranger.post(f"{path}/rotate_secret"),
            stranger.post(f"{path}/test", json={"event_type": TYPES[0]}),
            stranger.get(f"{path}/deliveries"),
        )
        for answer in answers:
            assert_openai_error(answer, 404)
        assert (await stranger.get("/v1/webhook_endpoints")).json()["data"] == []


async def test_a_repeated_creation_makes_one_endpoint(client: httpx2.AsyncClient, gateway: Mill) -> None:
    body = {"name": "n", "url": PUBLIC, "event_types": TYPES}
    headers = {"Idempotency-Key": new_name("key")}
    first, second = [await client.post("/v1/webhook_endpoints", json=body, headers=headers) for _ in range(2)]
    assert first.json() == second.json()
    assert len((await client.get("/v1/webhook_endpoints")).json()["data"]) == 1


async def test_of_many_registered_at_once_no_more_than_the_most_are_kept(
    client: httpx2.AsyncClient, gateway: Mill
) -> None:
    body = {"name": "n", "url": PUBLIC, "event_types": TYPES}
    answers = await asyncio.gather(*(client.post("/v1/webhook_endpoints", json=body) for _ in range(70)))
    assert [answer.status_code for answer in answers].count(200) == 50
    refused = [answer for answer in answers if answer.status_code != 200]
    for answer in refused:
        assert_openai_error(answer, 400, code="too_many_endpoints")
