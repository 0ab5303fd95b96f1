"""Prices over HTTP, and when a tuned model pays."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from shared import ids
from tests.integration.costs.conftest import Tune
from tests.support.gateway import Mill, assert_openai_error

pytestmark = pytest.mark.asyncio(loop_scope="module")

BookCalls = Callable[..., Awaitable[None]]
THE_ARTICLES_DAY = {"provider": "openai", "on": "2023-04-04"}


async def find_roi(client: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    """Ask for a break-even that can be told."""
    response = await client.post("/v1/roi", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize(
    ("tuned", "base", "times"),
    [("davinci-ft", "text-davinci-003", 6), ("davinci-ft", "gpt-3.5-turbo", 60), ("curie-ft", "gpt-3.5-turbo", 6)],
)
async def test_the_articles_ratios_come_out_of_the_comparison(
    gateway: Mill, client: httpx2.AsyncClient, tuned: str, base: str, times: float
) -> None:
    params = {"model": tuned, "against": base, **THE_ARTICLES_DAY}
    answer = (await client.get("/v1/prices/compare", params=params)).json()
    assert answer["times"] == {"input": times, "output": times}
    assert "https://openai.com/pricing" in answer["model"]["usage_note"]


async def test_prices_are_listed_with_source_and_dates(gateway: Mill, client: httpx2.AsyncClient) -> None:
    listed = (await client.get("/v1/prices", params={"model": "curie", **THE_ARTICLES_DAY})).json()["data"]
    assert {(entry["models"], *entry["usd_per_unit"]) for entry in listed} >= {("curie", "training_token")}
    assert all(entry["source"] and entry["read_on"] and entry["valid_from"] for entry in listed)


async def test_a_model_of_the_mill_is_shown_with_its_configured_price(
    gateway: Mill, client: httpx2.AsyncClient
) -> None:
    shown = (await client.get("/v1/prices/show", params={"model": "priced-base"})).json()
    assert shown["usd_per_unit"] == {"input": 2, "cached_input": 1, "output": 8, "training_token": 25}
    assert shown["provider"] == "upstream"


async def test_who_is_not_known_is_said(gateway: Mill, client: httpx2.AsyncClient) -> None:
    assert_openai_error(await client.get("/v1/prices", params={"provider": "nobody"}), 404, param="provider")
    assert_openai_error(await client.get("/v1/prices/show", params={"model": "nothing"}), 404, param="model")
    free = {"model": "unpriced-base", "against": "priced-base"}
    assert_openai_error(await client.get("/v1/prices/compare", params=free), 400, code="unknown_price")


async def test_plain_numbers_are_enough(gateway: Mill, client: httpx2.AsyncClient) -> None:
    answer = await find_roi(
        client,
        tuned={"usd_per_call": 0.001},
        base={"usd_per_call": 0.011},
        training_usd=9,
        data_usd=1,
        calls_per_day=100,
        shutdown_date="2026-11-30",
    )
    assert answer["break_even"]["calls"] == 1000
    assert answer["break_even"]["days"] == 10
    assert answer["break_even"]["comes_too_late"]
    assert answer["curve"][10]["base_usd"] == answer["curve"][10]["tuned_usd"]


async def test_cached_input_makes_the_long_prompt_cheaper_and_the_break_even_later(
    gateway: Mill, client: httpx2.AsyncClient
) -> None:
    sizes = {"prompt_tokens": 2000, "completion_tokens": 100}
    common = {"against": "priced-base", "tuned": {"usd_per_call": 0.001}, "training_usd": 10}
    plain = await find_roi(client, base=sizes, **common)
    cached = await find_roi(client, base={**sizes, "cached_tokens": 1500}, **common)
    assert plain["base"]["usd_per_call"] == 0.0048
    assert cached["base"]["usd_per_call"] == 0.0033
    assert plain["break_even"]["calls"] < cached["break_even"]["calls"]


async def test_a_tuned_models_costs_come_from_the_books_with_those_of_its_ancestors(
    gateway: Mill, client: httpx2.AsyncClient, tune: Tune, book_calls: BookCalls
) -> None:
    parent = await tune(data_usd=Decimal("1.25"), cost_usd=Decimal(10))
    model = await tune(data_usd=Decimal("0.75"), cost_usd=Decimal(3), parent=parent)
    await book_calls(model.name, (20, 300), (40, 500))
    await book_calls("priced-base", (1000, 400), (2000, 400))
    answer = await find_roi(client, model=model.name, against="priced-base")
    assert answer["fixed_usd"] == {"data": 2, "training": 13, "evaluation": 0, "hosting": 0}
    assert (answer["tuned"]["prompt_tokens"], answer["tuned"]["completion_tokens"]) == (30, 400)
    assert answer["base"]["usd_per_call"] == pytest.approx((1500 * 2 + 400 * 8) / 1e6)
    assert answer["tuned"]["usd_per_call"] == pytest.approx((30 * 3 + 400 * 12) / 1e6)
    assert answer["break_even"]["calls"] == round(15 / (0.0062 - 0.00489)) + 1


async def test_calls_that_measure_a_model_are_no_calls_of_its_users(
    gateway: Mill, client: httpx2.AsyncClient, tune: Tune, book_calls: BookCalls
) -> None:
    model = await tune()
    sizes = {"prompt_tokens": 1000, "completion_tokens": 400}
    body = {"model": model.name, "against": "priced-base", "base": sizes}
    for made_for in (ids.MODEL_EVALUATION, ids.MODEL_COMPARISON):
        await book_calls(model.name, (280, 0), (281, 0), made_for=made_for)
    refused = await client.post("/v1/roi", json=body)
    assert_openai_error(refused, 400, param="tuned.prompt_tokens", code="unknown_size")
    await book_calls(model.name, (20, 300))
    await book_calls(model.name, (40, 500), made_for=ids.STORY)
    answer = await find_roi(client, **body)
    assert (answer["tuned"]["prompt_tokens"], answer["tuned"]["completion_tokens"]) == (30, 400)


async def test_a_size_that_is_given_in_part_is_completed_from_the_books(
    gateway: Mill, client: httpx2.AsyncClient, tune: Tune, book_calls: BookCalls
) -> None:
    model = await tune()
    body = {"model": model.name, "against": "priced-base", "tuned": {"completion_tokens": 640}}
    base = {"prompt_tokens": 150, "completion_tokens": 640}
    refused = assert_openai_error(await client.post("/v1/roi", json={**body, "base": base}), 400)
    assert (refused["param"], "completion" in refused["message"]) == ("tuned.prompt_tokens", False)
    await book_calls(model.name, (20, 300))
    await book_calls("priced-base", (100, 300))
    answer = await find_roi(client, **body, base=base)
    assert (answer["tuned"]["prompt_tokens"], answer["tuned"]["completion_tokens"]) == (20, 640)
    cached = {**body, "base": {"completion_tokens": 1, "cached_tokens": 101}}
    assert_openai_error(await client.post("/v1/roi", json=cached), 400, param="base.cached_tokens")


async def test_what_nobody_knows_must_be_given(gateway: Mill, client: httpx2.AsyncClient, tune: Tune) -> None:
    model = await tune(data_usd=None)
    sizes = {"prompt_tokens": 10, "completion_tokens": 10}
    known = {"model": model.name, "against": "priced-base", "tuned": sizes, "base": sizes}
    for body, param in (
        (known, "data_usd"),
        ({**known, "base": {}}, "base.prompt_tokens"),
        ({**known, "against": "unpriced-base"}, "base.usd_per_call"),
        ({**known, "data_usd": 1, "hosting_usd_per_hour": 1}, "calls_per_day"),
    ):
        assert_openai_error(await client.post("/v1/roi", json=body), 400, param=param)
    answer = await find_roi(client, **known, data_usd=1)
    assert answer["break_even"]["calls"] is None
    assert answer["break_even"]["reason"].startswith("Never: ")


async def test_a_training_that_was_not_booked_is_not_free(
    gateway: Mill, client: httpx2.AsyncClient, tune: Tune
) -> None:
    model = await tune(times_booked=0)
    body = {"model": model.name, "tuned": {"usd_per_call": 0.1}, "base": {"usd_per_call": 0.2}}
    refused = assert_openai_error(await client.post("/v1/roi", json=body), 400, param="training_usd")
    assert "not on the books" in refused["message"]


async def test_a_body_that_cannot_be_meant_is_refused(gateway: Mill, client: httpx2.AsyncClient) -> None:
    for body in ({}, {"model": "m"}, {"tuned": {"usd_per_call": -1}, "base": {"usd_per_call": 1}}):
        assert_openai_error(await client.post("/v1/roi", json=body), 400)
