"""A gateway whose provider has prices, a client of a project of its own, and that project's books."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from shared import ids
from shared.clock import utc_now
from shared.stores.db.models import ApiKey, Attempt, DatasetVersion, FineTuningJob, LedgerEntry, Model
from shared.stores.db.repositories.fine_tuning_jobs import NewJob, add_job
from shared.stores.db.repositories.registry import NewModel, register_model
from shared.stores.db.repositories.training_books import book_training, open_training_attempt
from tests.support.gateway import Mill, open_mill
from tests.support.gateway_fixtures import Stores, client, stores

__all__ = ["client", "stores"]

PRICES = """
[providers.upstream.prices."priced-base"]
input_usd_per_million = 2
cached_input_usd_per_million = 1
output_usd_per_million = 8
training_usd_per_million = 25
[providers.upstream.prices."tuned-*"]
input_usd_per_million = 3
output_usd_per_million = 12
"""
ROWS = '{"prompt": "唐,隐形,轻松 ->", "completion": " 从前。"}\n'.encode() * 40

Tune = Callable[..., Awaitable[Model]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mill]:
    """A gateway without workers."""
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "providers.toml").write_text(PRICES)
    urls = {"database_url": stores.database_url, "redis_url": stores.redis_url}
    async with open_mill(folder, **urls, providers_file=folder / "providers.toml") as mill:
        mill.upstream.models += ["priced-base", "unpriced-base"]
        yield mill


@pytest_asyncio.fixture(loop_scope="module")
async def api_key(gateway: Mill, client: httpx2.AsyncClient) -> ApiKey:
    """The key of `client`."""
    secret = client.headers["authorization"].removeprefix("Bearer ")
    name = next(name for name, key in gateway.keys.items() if key == secret)
    async with gateway.database.transaction() as session:
        found = await session.get(ApiKey, gateway.key_ids[name])
    assert found is not None
    return found


async def upload(client: httpx2.AsyncClient, content: bytes = ROWS) -> str:
    """Upload a training file; return its id."""
    response = await client.post("/v1/files", files={"file": ("a.jsonl", content)}, data={"purpose": "fine-tune"})
    assert response.status_code == 200, response.text
    file_id: str = response.json()["id"]
    return file_id


@pytest_asyncio.fixture(loop_scope="module")
async def tune(gateway: Mill, client: httpx2.AsyncClient, api_key: ApiKey) -> Tune:
    """Record a training as its worker does: the job, its books, the model."""

    async def tune(
        *,
        data_usd: Decimal | None = Decimal("1.25"),
        trained_tokens: int = 400_000,
        cost_usd: Decimal | None = Decimal(10),
        parent: Model | None = None,
        times_booked: int = 1,
    ) -> Model:
        file_id = await upload(client)
        async with gateway.database.transaction() as session:
            version = DatasetVersion(
                id=ids.new_id(ids.DATASET_VERSION),
                project_id=api_key.project_id,
                template={"format": "completion"},
                train_rows=40,
                validation_rows=0,
                cost_usd=data_usd,
                train_file_id=file_id,
            )
            session.add(version)
            await session.flush()
            job = await add_job(
                session,
                NewJob(
                    project_id=api_key.project_id,
                    api_key_id=api_key.id,
                    model=parent.name if parent else "priced-base",
                    base_model=parent.name if parent else "priced-base",
                    provider="upstream",
                    training_file_id=file_id,
                    dataset_version_id=version.id,
                    parent_model_id=parent.id if parent else None,
                ),
            )
            await open_training_attempt(session, job, "wrk_test")
        async with gateway.database.transaction() as session:
            found = await session.get(FineTuningJob, job.id)
            assert found is not None
            found.status, found.step, found.trained_tokens = "succeeded", "done", trained_tokens
            found.finished_at = utc_now()
            found.started_at = found.finished_at - timedelta(seconds=100)
            for _ in range(times_booked):
                await open_training_attempt(session, found, "wrk_other")
                await book_training(session, found, trained_tokens, cost_usd, "priced that day")
            return await register_model(
                session,
                NewModel(
                    project_id=api_key.project_id,
                    name=f"tuned-{job.id}",
                    provider="upstream",
                    base_model="priced-base",
                    job_id=job.id,
                    parent_id=parent.id if parent else None,
                    dataset_version_id=version.id,
                ),
            )

    return tune


@pytest_asyncio.fixture(loop_scope="module")
async def book_calls(gateway: Mill, api_key: ApiKey) -> Callable[..., Awaitable[None]]:
    """Enter calls into the project's ledger."""

    async def book(model: str, *calls: tuple[int, int], made_for: str = ids.STREAM) -> None:
        async with gateway.database.transaction() as session:
            for prompt_tokens, completion_tokens in calls:
                values: dict[str, Any] = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
                attempt = Attempt(
                    id=ids.new_id(ids.ATTEMPT),
                    project_id=api_key.project_id,
                    subject_id=ids.new_id(made_for),
                    number=1,
                    worker_id="wrk_test",
                    provider="upstream",
                    model=model,
                    outcome="succeeded",
                )
                session.add(attempt)
                entry = LedgerEntry(
                    id=ids.new_id(ids.LEDGER_ENTRY),
                    project_id=api_key.project_id,
                    api_key_id=api_key.id,
                    attempt_id=attempt.id,
                    provider="upstream",
                    model=model,
                    cost_usd=Decimal("0.001"),
                    **values,
                )
                session.add(entry)

    return book
