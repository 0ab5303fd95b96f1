"""The model catalog against scripted providers."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from shared.outside.providers.catalog import ModelCatalog
from shared.outside.providers.client import LlmClient
from shared.outside.providers.configuration import Provider, Providers
from tests.support.stack import eventually
from tests.support.upstream import ScriptedUpstream

NOWHERE = Provider("nowhere", "http://127.0.0.1:9/v1", models=("far-*",))


@pytest.fixture
async def client() -> AsyncIterator[LlmClient]:
    client = LlmClient()
    yield client
    await client.close()


def make_catalog(
    client: LlmClient, upstream: ScriptedUpstream, *others: Provider, ttl_seconds: float = 10
) -> ModelCatalog:
    return ModelCatalog(Providers((Provider("scripted", upstream.url), *others)), client, ttl_seconds=ttl_seconds)


async def test_a_listed_model_is_found_with_its_provider(client: LlmClient, upstream: ScriptedUpstream) -> None:
    found = await make_catalog(client, upstream).find("scripted-1")
    assert found is not None
    assert (found.provider, found.listed, found.owned_by) == ("scripted", True, "tests")


async def test_a_model_that_no_provider_lists_is_not_found(client: LlmClient, upstream: ScriptedUpstream) -> None:
    assert await make_catalog(client, upstream).find("unknown") is None


async def test_an_unreachable_provider_is_trusted_with_the_names_it_claims(
    client: LlmClient, upstream: ScriptedUpstream
) -> None:
    catalog = make_catalog(client, upstream, NOWHERE)
    found = await catalog.find("far-away")
    assert found is not None
    assert (found.provider, found.listed) == ("nowhere", False)
    assert await catalog.find("other") is None


async def test_the_default_provider_wins_when_it_lists_a_claimed_name(
    client: LlmClient, upstream: ScriptedUpstream
) -> None:
    upstream.models.append("far-here")
    found = await make_catalog(client, upstream, NOWHERE).find("far-here")
    assert found is not None
    assert found.provider == "scripted"


async def test_a_new_model_appears_and_the_last_list_outlives_its_server(
    client: LlmClient, upstream: ScriptedUpstream
) -> None:
    catalog = make_catalog(client, upstream, ttl_seconds=0)
    assert [model.id for model in await catalog.list_models()] == ["scripted-1"]
    upstream.models.append("ft:new")
    assert await catalog.find("ft:new") is not None
    await upstream.stop()
    assert await catalog.find("ft:new") is not None
    target = await catalog.find_target("never-heard-of")
    assert target is not None
    assert target.provider.name == "scripted"


async def test_a_removed_model_is_forgotten(client: LlmClient, upstream: ScriptedUpstream) -> None:
    catalog = make_catalog(client, upstream, ttl_seconds=0)
    await catalog.list_models()
    upstream.models[:] = ["other"]
    assert "scripted-1" not in [model.id for model in await catalog.list_models()]
    assert await catalog.find("scripted-1") is None


class SlowListing(ScriptedUpstream):
    """A provider whose list is as old as the question when it arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.gate = asyncio.Event()

    async def _list_models(self, request: web.Request) -> web.Response:
        answer = await super()._list_models(request)
        self.asked += 1
        await self.gate.wait()
        return answer


async def test_a_model_made_while_the_list_is_on_its_way_is_found(client: LlmClient) -> None:
    async with SlowListing() as slow:
        catalog = make_catalog(client, slow)
        listing = asyncio.create_task(catalog.list_models())
        await eventually(lambda: slow.asked == 1, what="the provider to be asked")
        slow.models.append("ft:new")
        finding = asyncio.create_task(catalog.find("ft:new"))
        slow.gate.set()
        assert "ft:new" not in [model.id for model in await listing]
        assert await finding is not None
