"""Trainings on the books: entered once, summed by job and kind, and the usage's filters."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import httpx2
import pytest
from sqlalchemy import select

from shared.stores.db.models import ApiKey, Attempt, LedgerEntry
from tests.integration.costs.conftest import Tune
from tests.support.gateway import Mill, assert_openai_error

pytestmark = pytest.mark.asyncio(loop_scope="module")

BookCalls = Callable[..., Awaitable[None]]


async def test_a_training_booked_again_keeps_its_one_entry(gateway: Mill, tune: Tune) -> None:
    model = await tune(times_booked=3)
    async with gateway.database.transaction() as session:
        attempts = (await session.scalars(select(Attempt).where(Attempt.subject_id == model.job_id))).all()
        query = select(LedgerEntry).where(LedgerEntry.fine_tuning_job_id == model.job_id)
        entries = (await session.scalars(query)).all()
    assert [(row.kind, row.outcome, row.spent_usd) for row in attempts] == [("training", "succeeded", Decimal(10))]
    assert attempts[0].worker_id == "wrk_test"
    assert [(row.kind, row.cost_usd, row.prompt_tokens) for row in entries] == [("training", Decimal(10), 400_000)]
    assert entries[0].price_note == "priced that day"


async def test_usage_is_summed_by_job_and_kind_and_narrowed(
    gateway: Mill, client: httpx2.AsyncClient, tune: Tune, book_calls: BookCalls
) -> None:
    model = await tune(cost_usd=Decimal("2.5"))
    await book_calls("priced-base", (100, 10), (300, 30))
    by_kind = (await client.get("/v1/usage", params={"group_by": "kind"})).json()["data"]
    assert [(row["kind"], row["requests"], row["cost_usd"]) for row in by_kind] == [
        ("inference", 2, 0.002),
        ("training", 1, 2.5),
    ]
    of_job = {"group_by": "fine_tuning_job_id", "fine_tuning_job_id": model.job_id}
    (job,) = (await client.get("/v1/usage", params=of_job)).json()["data"]
    assert (job["fine_tuning_job_id"], job["prompt_tokens"], job["cost_usd"]) == (model.job_id, 400_000, 2.5)
    only = {"group_by": "model", "kind": "inference", "model": "priced-base"}
    (calls,) = (await client.get("/v1/usage", params=only)).json()["data"]
    assert (calls["requests"], calls["total_tokens"]) == (2, 440)


async def test_an_unknown_group_or_kind_is_refused(gateway: Mill, client: httpx2.AsyncClient) -> None:
    refused = await client.get("/v1/usage", params={"group_by": "job"})
    assert "fine_tuning_job_id" in assert_openai_error(refused, 400, param="group_by")["message"]
    assert_openai_error(await client.get("/v1/usage", params={"kind": "other"}), 400, param="kind")


async def test_another_projects_books_stay_closed(gateway: Mill, client: httpx2.AsyncClient, api_key: ApiKey) -> None:
    only = {"group_by": "api_key_id", "api_key_id": api_key.id}
    async with await gateway.client("a third project") as other:
        assert (await other.get("/v1/usage", params=only)).json()["data"] == []
