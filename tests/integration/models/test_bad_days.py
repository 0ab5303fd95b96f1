"""Comparisons and evaluations on a provider's bad day: the verdict is the same as for texts and runs, and nothing is
paid again and again."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.gateway import new_name
from tests.support.interactive import eventually_async
from tests.support.tuned_models import Tenant
from tests.support.upstream import MODEL
from tests.support.upstream_script import Script

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPTS = [f"唐,隐形,{number} ->" for number in range(12)]
NO_CREDIT = Script(status=402, error={"message": "Insufficient Balance", "code": "invalid_request_error"})
ROWS = b'{"prompt": "a ->", "completion": " b."}\n'


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def well(tenant: Tenant) -> AsyncIterator[None]:
    """Each test ends with a provider that is well."""
    tenant.mill.upstream.choose = None
    yield
    tenant.mill.upstream.default = Script()

    async def writes() -> bool:
        body = {"model": MODEL, "prompt": new_name("好"), "max_tokens": 20}
        return (await tenant.client.post("/v1/completions", json=body)).status_code == 200

    await eventually_async(writes, timeout_seconds=30, what="texts to be written again")


async def compare(tenant: Tenant, model: str) -> dict[str, Any]:
    """Order a comparison; return how it ended."""
    order = {"model": model, "against": MODEL, "prompts": PROMPTS, "judge": "human", "parameters": {"max_tokens": 50}}
    response = await tenant.client.post("/v1/model_comparisons", json=order)
    assert response.status_code == 202, response.text
    found: dict[str, Any] = {}

    async def is_over() -> bool:
        found.update((await tenant.client.get(response.headers["location"])).json())
        return found["status"] in {"failed", "voting", "succeeded"}

    await eventually_async(is_over, what="the comparison to be over")
    return found


@pytest.mark.slow  # an evaluation stands for it
async def test_a_comparison_whose_account_is_empty_fails_at_once_and_the_next_one_asks_nobody(tenant: Tenant) -> None:
    model = await tenant.tune(new_name("ft:m"))
    tenant.mill.upstream.default = NO_CREDIT
    before = len(tenant.mill.upstream.calls)
    first = await compare(tenant, model.name)
    assert (first["status"], first["error"]["code"]) == ("failed", "quota_exhausted")
    met = len(tenant.mill.upstream.calls) - before
    assert met <= len(PROMPTS)
    second = await compare(tenant, model.name)
    assert (second["status"], second["error"]["code"]) == ("failed", "quota_exhausted")
    assert len(tenant.mill.upstream.calls) - before <= met + 1  # one now and then: somebody may have paid


async def test_an_evaluation_whose_account_is_empty_fails_after_few_calls(tenant: Tenant) -> None:
    parent = await tenant.tune(new_name("ft:parent"), validation=ROWS)
    child = await tenant.tune(new_name("ft:child"), parent=parent, validation=ROWS)
    tenant.mill.upstream.default = NO_CREDIT
    before = len(tenant.mill.upstream.calls)
    path = f"/v1/models/{child.name}/forgetting"
    assert (await tenant.client.post(path)).status_code == 202
    cells: list[dict[str, Any]] = []

    async def all_failed() -> bool:
        rows = (await tenant.client.get(path)).json()["rows"]
        cells[:] = [cell for row in rows for cell in row["cells"] if cell["status"] == "failed"]
        return len(cells) == 3

    await eventually_async(all_failed, what="the evaluations to fail")
    assert {cell["error"]["code"] for cell in cells} == {"quota_exhausted"}
    assert len(tenant.mill.upstream.calls) - before <= 3
