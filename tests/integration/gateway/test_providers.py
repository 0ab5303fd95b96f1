"""`/v1/providers`: the verdicts of the workers, without the words that may quote another project."""

import asyncio
from functools import partial

import httpx2
import pytest

from shared.auth.principal import ALL_SCOPES
from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.interactive import eventually_async
from tests.support.upstream import MODEL
from tests.support.upstream_script import Script

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_empty_account_is_shown_by_verdict_and_status_until_a_call_succeeds(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    body = {"model": MODEL, "prompt": new_name("钱")}
    mill.upstream.default = Script(status=402, error={"message": "Insufficient Balance of acme", "code": "c"})
    try:
        refused = await client.post("/v1/completions", json=body)
        assert_openai_error(refused, 429, code="insufficient_quota")

        async def shown() -> bool:
            [found] = (await client.get("/v1/providers")).json()["data"]
            return bool(found["verdict"] == "no_credit")

        await eventually_async(shown, what="the verdict to be shown")
        answer = await client.get("/v1/providers/upstream")
        assert answer.json()["last_failure"] == {"class": "quota_exhausted", "upstream_status": 402}
        async with await mill.client(scopes=ALL_SCOPES) as operator:
            told = (await operator.get("/v1/providers/upstream")).json()["last_failure"]["message"]
        assert told.endswith("Insufficient Balance of acme")
        assert answer.json()["since"] is not None
        assert "acme" not in answer.text
    finally:
        mill.upstream.default = Script()

    async def well_again() -> bool:
        await client.post("/v1/completions", json=body)
        return bool((await client.get("/v1/providers/upstream")).json()["verdict"] == "well")

    await eventually_async(well_again, timeout_seconds=30, what="the next try to lift the verdict")


async def test_an_unknown_provider_is_not_found(mill: Mill, client: httpx2.AsyncClient) -> None:
    assert_openai_error(await client.get("/v1/providers/nobody"), 404)
    assert_openai_error(await client.post("/v1/providers/nobody/test"), 404)


async def test_limits_learnt_calls_in_flight_and_silent_models_are_shown(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    limits = {"x-ratelimit-limit-requests": "500", "x-ratelimit-limit-tokens": "30000"}
    gate = asyncio.Event()
    mill.upstream.default = Script(headers=limits, gate=gate)
    waiting = asyncio.create_task(client.post("/v1/completions", json={"model": MODEL, "prompt": new_name("飞")}))

    async def counted(calls: int) -> bool:
        return bool((await client.get("/v1/providers/upstream")).json()["calls_in_flight"] == calls)

    try:
        await eventually_async(partial(counted, 1), what="the call to be counted")
        gate.set()
        assert (await waiting).status_code == 200
        await eventually_async(partial(counted, 0), what="the call to be over")

        async def learnt() -> bool:
            found = (await client.get("/v1/providers/upstream")).json()["learnt_limits"]
            return bool(found == {MODEL: {"requests": 500, "tokens": 30_000}})

        await eventually_async(learnt, what="the limits to be learnt")
        full = {"message": f"Rate limit reached for {MODEL} in organization o", "code": "rate_limit_exceeded"}
        mill.upstream.default = Script(status=429, error=full, headers={"retry-after": "60"})
        refused = await client.post("/v1/completions", json={"model": MODEL, "prompt": new_name("静")})
        assert_openai_error(refused, 429)

        async def silent() -> bool:
            found = (await client.get("/v1/providers/upstream")).json()
            return found["verdict"] == "well" and [one["model"] for one in found["silent_models"]] == [MODEL]

        await eventually_async(silent, what="the model to be shown as silent")
    finally:
        gate.set()
        mill.upstream.default = Script()
