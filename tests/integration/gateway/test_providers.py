"""`/v1/providers`: the verdicts of the workers, without the words that may quote another project."""

import httpx2
import pytest

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
