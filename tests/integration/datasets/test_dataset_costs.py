"""What the stories of a dataset cost, to the last digit, and which of them were cut off."""

from decimal import Decimal

import httpx2
import pytest
from sqlalchemy import select

from shared.stores.db.models import DatasetRow, DatasetVersion, Story
from tests.support.dataset_mill import Author, prepare, read_rows, write_article
from tests.support.gateway import Mill
from tests.support.upstream import build_answer
from tests.support.upstream_script import Script

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNPRICED = "unpriced-1"


def charge(mill: Mill) -> Decimal:
    """What the provider would ask for its calls, by its own count of tokens and the prices in the conftest."""
    usages = [build_answer(call, mill.upstream.default)["usage"] for call in mill.upstream.calls]
    return sum(
        (Decimal("3.7") * usage["prompt_tokens"] + Decimal("11.1") * usage["completion_tokens"] for usage in usages),
        Decimal(0),
    ) / Decimal(1_000_000)


async def test_a_version_and_its_rows_hold_every_cent(mill: Mill, client: httpx2.AsyncClient) -> None:
    mill.upstream.calls.clear()
    run_id = await write_article(mill, client, limit=18)
    charged = charge(mill)
    dataset = await prepare(client, {"generation": run_id})
    async with mill.database.transaction() as session:
        version = await session.get(DatasetVersion, dataset["version"])
        costs = (await session.scalars(select(Story.cost_usd).where(Story.generation_id == run_id))).all()
        rows = select(DatasetRow.cost_usd).where(DatasetRow.version_id == dataset["version"])
        held = (await session.scalars(rows)).all()
    assert version is not None
    assert charged > 0
    assert version.cost_usd == charged == sum(cost for cost in costs if cost) == sum(cost for cost in held if cost)
    assert (dataset["cost_usd"], dataset["cost_note"]) == (float(charged), None)
    report = (await client.get(f"/v1/datasets/{dataset['id']}/report")).json()
    assert Decimal(report["cost"]["known_usd"]) == charged

    row = (await read_rows(client, dataset["id"]))[0]
    lineage = (await client.get(f"/v1/stories/{row['story_id']}/lineage")).json()
    assert row["cost_usd"] == sum(attempt["cost_usd"] for attempt in lineage["attempts"]) > 0


async def test_a_dataset_without_prices_costs_an_unknown_sum_and_says_why(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    mill.upstream.models.append(UNPRICED)
    priced = await write_article(mill, client, limit=6)
    unpriced = await write_article(mill, client, limit=6, model=UNPRICED)
    dataset = await prepare(client, {"generation": priced}, {"generation": unpriced}, skip=["exact_duplicate"])
    assert dataset["cost_usd"] is None
    assert dataset["cost_note"].startswith("6 of ")
    assert f'no price: set [providers.upstream.prices."{UNPRICED}"]' in dataset["cost_note"]
    costs = {row["generation_id"]: row["cost_usd"] for row in await read_rows(client, dataset["id"])}
    assert costs[priced] > 0
    assert costs[unpriced] is None


async def test_a_story_cut_at_its_token_limit_is_found_though_it_ends_in_a_full_stop(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    mill.upstream.queue(Script(text=Author().write, finish_reason="length"))
    run_id = await write_article(mill, client, limit=30)
    stories = (await client.get("/v1/stories", params={"generation_id": run_id, "limit": 30})).json()["data"]
    (cut,) = [story for story in stories if story["finish_reason"] == "length"]
    assert cut["text"].endswith("。")
    dataset = await prepare(client, {"generation": run_id}, apply=["truncated"])
    (finding,) = [finding for finding in dataset["findings"] if finding["code"] == "truncated"]
    assert finding["count"] == 1
    assert cut["id"] not in {row["story_id"] for row in await read_rows(client, dataset["id"])}

    await client.patch(f"/v1/stories/{cut['id']}", json={"text": f"{cut['text']}后来他们都回家了。"})
    mended = await prepare(client, {"generation": run_id})
    assert "truncated" not in {finding["code"] for finding in mended["findings"]}
