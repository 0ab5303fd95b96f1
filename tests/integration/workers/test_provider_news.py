"""What changes with a provider is told to webhooks: once for the cluster, whoever found it and whatever becomes of
them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select

from services.workers.generation.work_task import work_generation
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.clock import utc_now
from shared.settings import Settings
from shared.stores.db.models import Outbox
from shared.stores.db.repositories.provider_states import ToldState, tell_state
from shared.stores.db.repositories.webhook_endpoints import add_endpoint
from shared.stores.db.session import Database
from tests.support.interactive import eventually_async
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream_script import Script
from tests.support.volume import VolumeBench, open_volume_bench

TYPES = ("provider.down", "provider.recovered", "provider.out_of_credit")
NO_CREDIT = Script(status=402, error={"message": "Insufficient Balance of acme"})
DOWN = ToldState("p", "0" * 16, "down", utc_now(), None, "503 for acme", "server_error", 503, utc_now())


@pytest.fixture
async def bench(database_url: str, redis_url: str) -> AsyncIterator[VolumeBench]:
    """A bench whose project, and another one, want to hear of providers."""
    async with open_volume_bench(database_url, redis_url) as opened:
        async with opened.database.transaction() as session:
            for name in ("one", "two"):
                target = {"url": f"http://127.0.0.1:9/{name}", "event_types": TYPES, "secret": "whsec_bm90IGEgc2VjcmV0"}
                await add_endpoint(session, project_id=opened.project_id, name=name, **target)
        yield opened


@pytest.fixture
async def workers(database_url: str, redis_url: str, upstream: ScriptedUpstream) -> AsyncIterator[list[WorkerContext]]:
    """Two workers of one cluster."""
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    opened = [await open_context(Settings.model_validate(values), WorkerSettings()) for _ in range(2)]
    yield opened
    for context in opened:
        await context.close()


async def count_news(database: Database) -> Counter[str]:
    """Return how many events of each type are owed, and check that none repeats the provider's words."""
    async with database.transaction() as session:
        owed = (await session.scalars(select(Outbox))).all()
    assert all("acme" not in str(row.payload) for row in owed)
    assert all(row.payload["data"]["id"] in ("upstream", "p") for row in owed)
    return Counter(row.event_type for row in owed)


async def tell(database: Database, state: ToldState) -> None:
    async with database.transaction() as session:
        await tell_state(session, state)


async def test_workers_that_tell_the_same_at_once_owe_one_event_an_endpoint(bench: VolumeBench) -> None:
    await asyncio.gather(*(tell(bench.database, replace(DOWN, seen_at=utc_now())) for _ in range(8)))
    assert await count_news(bench.database) == {"provider.down": 2}


async def test_recovery_is_told_after_news_and_not_after_a_silence(bench: VolumeBench) -> None:
    verdicts = ("down", "down", "silent", "well", "silent", "well", "no_credit", "well", "key_refused", "well")
    for number, verdict in enumerate(verdicts):
        await tell(bench.database, replace(DOWN, verdict=verdict, seen_at=DOWN.seen_at + timedelta(seconds=number)))
    told = {"provider.down": 2, "provider.recovered": 4, "provider.out_of_credit": 2}
    assert await count_news(bench.database) == told
    await tell(bench.database, DOWN)  # old news that comes late
    assert await count_news(bench.database) == told


async def test_news_of_a_worker_that_dies_before_it_told_are_told_by_another(
    bench: VolumeBench, workers: list[WorkerContext], upstream: ScriptedUpstream
) -> None:
    finder, other = workers
    await other.healths.find(other.providers.all[0])

    async def die(_health: object) -> None:
        """Get no further."""

    finder.healths._tell = die
    upstream.default = NO_CREDIT
    await work_generation(finder, await bench.add(3))

    async def told() -> bool:
        return await count_news(bench.database) == {"provider.out_of_credit": 2}

    await eventually_async(told, what="the news")
    changes = REGISTRY.get_sample_value(
        "storymill_provider_verdict_changes_total", {"provider": "upstream", "verdict": "no_credit"}
    )
    assert changes
    assert (
        REGISTRY.get_sample_value("storymill_provider_verdict", {"provider": "upstream", "verdict": "no_credit"}) == 1
    )
