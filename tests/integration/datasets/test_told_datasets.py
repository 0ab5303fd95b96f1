"""What webhooks tell of preparations: how each ended, in the transaction that ends it."""

import httpx2
import pytest
from sqlalchemy import select

from shared.stores.db.models import Dataset, Outbox
from shared.stores.db.repositories import webhook_endpoints
from tests.support.dataset_mill import make_csv, prepare, upload
from tests.support.gateway import Mill

pytestmark = pytest.mark.asyncio(loop_scope="module")

TYPES = ["dataset.succeeded", "dataset.failed"]


async def test_the_end_of_a_preparation_is_told(mill: Mill, client: httpx2.AsyncClient) -> None:
    untold = await prepare(client, {"file": await upload(client, make_csv(3), "before.csv")})
    async with mill.database.transaction() as session:
        project_id = await session.scalar(select(Dataset.project_id).where(Dataset.id == untold["id"]))
        assert project_id is not None
        await webhook_endpoints.add_endpoint(
            session,
            project_id=project_id,
            name="n",
            url="http://127.0.0.1:9/",
            event_types=TYPES,
            secret="whsec_" + "A" * 32,
        )
    good = await prepare(client, {"file": await upload(client, make_csv(5), "good.csv")})
    bad = await prepare(client, {"file": await upload(client, b"prompt,completion\r\n", "empty.csv")})
    assert (good["status"], bad["status"]) == ("succeeded", "failed")
    async with mill.database.transaction() as session:
        owed = (await session.scalars(select(Outbox).order_by(Outbox.id))).all()
    told = [(row.event_type, row.payload["data"]["id"]) for row in owed]
    assert told == [("dataset.succeeded", good["id"]), ("dataset.failed", bad["id"])]
