"""Embeddings of many texts take their time and their room: that is no silence, and it holds up nobody."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.workers.interactive.task import run_completion
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from services.workers.providers.calls_under_way import HUNG_CALLS
from shared.settings import Settings
from tests.support.interactive import InteractiveBench, eventually_async, open_bench
from tests.support.upstream import Call, ScriptedUpstream
from tests.support.upstream_script import Script

HUNG_SECONDS = 0.3
FEW, MANY = ["唐"], ["唐朝有一位少年"] * 300


@pytest.fixture
async def bench(database_url: str, redis_url: str) -> AsyncIterator[InteractiveBench]:
    async with open_bench(database_url, redis_url) as opened:
        yield opened


def embed(call: Call, gate: asyncio.Event | None = None) -> Script:
    """A provider that embeds one text at once, and many when it may."""
    data = [{"index": place, "embedding": [0.5]} for place in range(len(call.body["input"]))]
    return Script(raw_body=json.dumps({"data": data}).encode(), gate=gate if len(data) > 1 else None)


async def ask(bench: InteractiveBench, context: WorkerContext, texts: list[str], **more: Any) -> Any:
    """Return the row of a request that was answered."""
    [row_id] = await bench.add("", kind="embedding", input=texts, **more)
    await run_completion(context, row_id)
    return await bench.row(row_id)


async def test_long_embeddings_do_not_make_a_provider_look_silent(
    bench: InteractiveBench, database_url: str, redis_url: str, upstream: ScriptedUpstream
) -> None:
    values = {"database_url": database_url, "redis_url": redis_url, "upstream_url": upstream.url}
    context = await open_context(Settings.model_validate(values), WorkerSettings(hung_seconds=HUNG_SECONDS))
    gate = asyncio.Event()
    upstream.choose = lambda call: embed(call, gate)

    async def are_under_way() -> bool:
        return len(health.calls) == HUNG_CALLS

    try:
        assert (await ask(bench, context, FEW)).status == "succeeded"
        health = await context.healths.find(context.providers.all[0])
        asked = [asyncio.create_task(ask(bench, context, MANY)) for _ in range(HUNG_CALLS)]
        await eventually_async(are_under_way, what="all to be asked")
        await asyncio.sleep(3 * HUNG_SECONDS)
        assert health.standing.verdict == "well"
        assert not health.calls.has_fallen_silent()
        gate.set()
        rows = await asyncio.gather(*asked)
        assert [(row.status, row.attempt) for row in rows] == [("succeeded", 1)] * HUNG_CALLS
    finally:
        gate.set()
        await context.close()


async def test_the_engine_is_asked_for_vectors_in_their_shortest_form(
    bench: InteractiveBench, database_url: str, redis_url: str, upstream: ScriptedUpstream
) -> None:
    values = {"database_url": database_url, "redis_url": redis_url, "engine_url": upstream.url, "upstream_url": None}
    context = await open_context(Settings.model_validate(values), WorkerSettings())
    upstream.choose = embed
    try:
        row = await ask(bench, context, FEW, encoding_format="float")
        assert (row.status, row.extra) == ("succeeded", {"result": {"vectors": ["AAAAPw=="]}})
        assert upstream.calls[-1].body["encoding_format"] == "base64"
    finally:
        await context.close()
