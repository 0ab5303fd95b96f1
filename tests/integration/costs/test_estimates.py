"""What a job will take: tokens, dollars, seconds, and why one of them is not known."""

import httpx2
import pytest

from tests.integration.costs.conftest import ROWS, Tune, upload
from tests.support.gateway import Mill, assert_openai_error

pytestmark = pytest.mark.asyncio(loop_scope="module")

EPOCHS = {"hyperparameters": {"n_epochs": 5}}


async def test_an_estimate_tells_tokens_dollars_and_where_the_price_is_from(
    gateway: Mill, client: httpx2.AsyncClient
) -> None:
    body = {"model": "priced-base", "training_file": await upload(client), **EPOCHS}
    response = await client.post("/v1/fine_tuning/estimate", json=body)
    assert response.status_code == 200, response.text
    estimate = response.json()
    assert (estimate["rows"], estimate["epochs"]) == (40, 5)
    assert estimate["billed_tokens"] == estimate["tokens"] * 5 > 40
    assert estimate["usd"] == pytest.approx(estimate["billed_tokens"] * 25 / 1_000_000)
    assert estimate["price"]["note"] == "providers.toml: upstream, priced-base"
    assert estimate["tokens_note"] == "estimated with o200k_base"


async def test_the_epochs_left_to_the_provider_are_expected_by_the_rows(
    gateway: Mill, client: httpx2.AsyncClient
) -> None:
    body = {"model": "priced-base", "training_file": await upload(client, ROWS * 10)}
    assert (await client.post("/v1/fine_tuning/estimate", json=body)).json()["epochs"] == 3


async def test_an_unknown_price_says_why_and_how_to_set_it(gateway: Mill, client: httpx2.AsyncClient) -> None:
    body = {"model": "unpriced-base", "training_file": await upload(client)}
    estimate = (await client.post("/v1/fine_tuning/estimate", json=body)).json()
    assert estimate["usd"] is None
    assert '[providers.upstream.prices."unpriced-base"] training_usd_per_million' in estimate["usd_note"]


async def test_a_budget_without_a_price_is_refused(gateway: Mill, client: httpx2.AsyncClient) -> None:
    body = {"model": "unpriced-base", "training_file": await upload(client), "budget_usd": 3}
    refused = await client.post("/v1/fine_tuning/estimate", json=body)
    assert_openai_error(refused, 400, param="budget_usd", code="unknown_price")


async def test_an_estimate_wants_a_file_with_rows_of_this_project(gateway: Mill, client: httpx2.AsyncClient) -> None:
    other = await gateway.client("another project")
    async with other:
        foreign = await upload(other)
    refused = await client.post("/v1/fine_tuning/estimate", json={"model": "priced-base", "training_file": foreign})
    assert_openai_error(refused, 400, param="training_file")
    broken = await upload(client, b"no rows\n")
    empty = await client.post("/v1/fine_tuning/estimate", json={"model": "priced-base", "training_file": broken})
    assert_openai_error(empty, 400, param="training_file")


async def test_past_jobs_tell_how_long_it_takes_and_a_tuned_model_gets_a_rate_hint(
    gateway: Mill, client: httpx2.AsyncClient, tune: Tune
) -> None:
    model = await tune(trained_tokens=1_000_000)  # in 100 seconds
    gateway.upstream.models.append(model.name)
    body = {"model": model.name, "training_file": await upload(client, ROWS[: len(ROWS) // 8]), **EPOCHS}
    estimate = (await client.post("/v1/fine_tuning/estimate", json=body)).json()
    assert estimate["seconds"] == pytest.approx(estimate["billed_tokens"] * 100 / 1_000_000, abs=0.06)
    assert estimate["learning_rate_multiplier_hint"] == 0.2


async def test_rows_that_replay_mixes_in_are_in_the_estimate(
    gateway: Mill, client: httpx2.AsyncClient, tune: Tune
) -> None:
    model = await tune()
    gateway.upstream.models.append(model.name)
    body = {"model": model.name, "training_file": await upload(client), **EPOCHS}
    plain = (await client.post("/v1/fine_tuning/estimate", json=body)).json()
    replayed = (await client.post("/v1/fine_tuning/estimate", json={**body, "replay": {"share": 0.5}})).json()
    assert (plain["replayed_rows"], replayed["replayed_rows"]) == (0, 20)  # half of the parent's 40
    assert replayed["tokens"] == round(plain["tokens"] * 1.5)
    assert "about 20 replayed rows" in replayed["tokens_note"]
