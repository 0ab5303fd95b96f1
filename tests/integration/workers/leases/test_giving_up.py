"""How a row of each kind is given up: it ends, in its owner's sight, with the reason, and its calls are booked."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from services.workers.deliveries.lease import TRACKER_ROWS, WEBHOOK_ROWS
from services.workers.leases.death_count import DeathCount
from services.workers.leases.hold import Hold
from services.workers.leases.row_kind import LostRowError, begin_lease
from services.workers.leases.working import work_while_held
from services.workers.models.lease import COMPARISON_ROWS, EVALUATION_ROWS, REMOVAL_ROWS
from services.workers.preparing.lease import DATASET_ROWS
from services.workers.preparing.recording import describe_crash, record_failure
from shared import ids
from shared.clock import utc_now
from shared.stores.db.models import (
    Attempt,
    Dataset,
    LedgerEntry,
    Model,
    ModelComparison,
    ModelEvaluation,
    Outbox,
    TrackerRun,
)
from shared.stores.db.repositories import datasets, webhook_endpoints
from shared.stores.db.repositories.attempts import Caller, NewAttempt, add_attempts
from shared.stores.db.repositories.dataset_claims import ClaimedDataset, claim_next_dataset
from shared.stores.db.repositories.delivery_claims import claim_deliveries
from shared.stores.db.repositories.model_claims import ClaimedWork, WorkTable, claim_work
from shared.stores.db.repositories.outbox import add_webhook_events
from shared.stores.db.repositories.removal_claims import ClaimedRemoval, claim_removal
from shared.stores.db.repositories.tracker_claims import claim_run
from shared.stores.db.repositories.tracker_runs import open_tracker_runs
from tests.support.tuning_bench import TuningBench, open_tuning_bench

WHY = "Its worker died 30 times while it worked on it."
EVENT = "fine_tuning.job.failed"


@pytest.fixture
async def bench(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[TuningBench]:
    """A worker's context with one project, and nobody outside."""
    async with open_tuning_bench(tmp_path, database_url, redis_url, "http://127.0.0.1:9/v1") as opened:
        yield opened


async def read_one(bench: TuningBench, table: Any) -> Any:
    """Return the only row of a table."""
    async with bench.context.database.transaction() as session:
        return (await session.scalars(select(table))).one()


async def test_a_dataset_fails_as_crashed(bench: TuningBench) -> None:
    async with bench.context.database.transaction() as session:
        owner = {"project_id": bench.project_id, "api_key_id": bench.api_key_id}
        await datasets.add_dataset(session, **owner, request={})
        claimed = await claim_next_dataset(session, "wrk_1", 10, most_of_project=1)
    assert claimed is not None
    await DATASET_ROWS.give_up(bench.context, claimed, WHY)
    row = await read_one(bench, Dataset)
    assert (row.status, row.error["code"], row.error["message"]) == ("failed", "preparation_crashed", WHY)


async def test_a_dataset_that_is_another_workers_is_not_ended_and_keeps_its_count(bench: TuningBench) -> None:
    async def claim() -> ClaimedDataset:
        async with bench.context.database.transaction() as session:
            await session.execute(update(Dataset).values(status="queued"))
            claimed = await claim_next_dataset(session, "wrk_1", 10, most_of_project=1)
        assert claimed is not None
        return claimed

    async def lose(_hold: Hold) -> None:
        await claim()
        await DeathCount(bench.context.redis, DATASET_ROWS.name, ours.id).begin()
        await record_failure(bench.context, ours, describe_crash(WHY), {})

    async with bench.context.database.transaction() as session:
        owner = {"project_id": bench.project_id, "api_key_id": bench.api_key_id}
        await datasets.add_dataset(session, **owner, request={})
    await claim()
    ours = await claim()
    await work_while_held(bench.context, DATASET_ROWS, ours, begin_lease(bench.context), lose)
    owners = DeathCount(bench.context.redis, DATASET_ROWS.name, ours.id)
    await owners.begin(counts=False)
    assert ((await read_one(bench, Dataset)).status, owners.count) == ("running", 1)


async def claim_new_work(bench: TuningBench, row: ModelEvaluation | ModelComparison, table: WorkTable) -> ClaimedWork:
    """Add a row and claim it, with a call whose outcome nobody knows."""
    async with bench.context.database.transaction() as session:
        session.add(row)
        await session.flush()
        claimed = await claim_work(session, table, row.id, "wrk_1", 10)
        caller = Caller(bench.project_id, None, "wrk_0", "upstream", "m")
        await add_attempts(session, caller, [NewAttempt(ids.new_id(ids.ATTEMPT), row.id, 1, None)])
    assert claimed is not None
    return claimed


async def assert_failed(bench: TuningBench, table: WorkTable, code: str) -> None:
    """The row failed for the reason, and its call is charged as unknown."""
    row = await read_one(bench, table)
    assert (row.status, row.error) == ("failed", {"code": code, "message": WHY})
    attempt, entry = await read_one(bench, Attempt), await read_one(bench, LedgerEntry)
    assert (attempt.outcome, entry.attempt_id) == ("unknown", attempt.id)


async def test_an_evaluation_fails_and_its_calls_are_charged_as_unknown(bench: TuningBench) -> None:
    owner = {"project_id": bench.project_id, "api_key_id": bench.api_key_id, "status": "queued", "model": "m"}
    row = ModelEvaluation(id=ids.new_id("eval_"), file_id=await bench.add_file(b"{}"), **owner)
    claimed = await claim_new_work(bench, row, ModelEvaluation)
    await EVALUATION_ROWS.give_up(bench.context, claimed, WHY)
    await assert_failed(bench, ModelEvaluation, "cannot_score")


async def test_a_comparison_fails_and_its_calls_are_charged_as_unknown(bench: TuningBench) -> None:
    owner = {"project_id": bench.project_id, "api_key_id": bench.api_key_id, "status": "queued", "model": "m"}
    row = ModelComparison(id=ids.new_id("cmp_"), against="n", request={}, **owner)
    claimed = await claim_new_work(bench, row, ModelComparison)
    await COMPARISON_ROWS.give_up(bench.context, claimed, WHY)
    await assert_failed(bench, ModelComparison, "cannot_compare")


async def test_a_webhook_is_given_up(bench: TuningBench) -> None:
    async with bench.context.database.transaction() as session:
        endpoint = {"name": "n", "url": "http://127.0.0.1:9/", "event_types": [EVENT], "secret": "whsec_x"}
        await webhook_endpoints.add_endpoint(session, project_id=bench.project_id, **endpoint)  # type: ignore[arg-type]
        await add_webhook_events(session, bench.project_id, EVENT, {"id": "ftjob-1"})
    async with bench.context.database.transaction() as session:
        [claimed] = await claim_deliveries(session, row_limit=1, endpoint_limit=1, busy=[], lease_seconds=10)
    await WEBHOOK_ROWS.give_up(bench.context, claimed, WHY)
    row = await read_one(bench, Outbox)
    assert (row.status, row.last_error) == ("given_up", WHY)


async def test_a_tracker_is_told_no_more(bench: TuningBench) -> None:
    job_id = await bench.add()
    async with bench.context.database.transaction() as session:
        await open_tracker_runs(session, job_id, [], ["tensorboard"])
        claimed = await claim_run(session, job_id, "tensorboard", "wrk_1", 10)
    assert claimed is not None
    await TRACKER_ROWS.give_up(bench.context, claimed, WHY)
    row = await read_one(bench, TrackerRun)
    assert (row.status, row.last_error) == ("given_up", WHY)


async def owe_removal(bench: TuningBench) -> ClaimedRemoval:
    """Return a claimed removal of a model."""
    job_id = await bench.add()
    async with bench.context.database.transaction() as session:
        names = {"name": "ft:m", "provider": "upstream", "base_model": "base-1"}
        due_at = utc_now() - timedelta(seconds=1)
        session.add(Model(id="model_1", project_id=bench.project_id, job_id=job_id, removal_due_at=due_at, **names))
        await session.flush()
        owed = await claim_removal(session, "model_1", 10)
    assert owed is not None
    return owed


async def test_a_removal_is_owed_no_more(bench: TuningBench) -> None:
    await REMOVAL_ROWS.give_up(bench.context, await owe_removal(bench), WHY)
    assert (await read_one(bench, Model)).removal_due_at is None


async def test_a_removal_that_is_another_workers_stays_owed(bench: TuningBench) -> None:
    ours = await owe_removal(bench)
    async with bench.context.database.transaction() as session:
        (await session.get_one(Model, ours.id)).removal_due_at = utc_now()
    with pytest.raises(LostRowError):
        await REMOVAL_ROWS.give_up(bench.context, ours, WHY)
    assert (await read_one(bench, Model)).removal_due_at is not None
