"""A lapsed lease is the reaper's to judge: after an outage those who live renew first, so no claim takes their rows."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.deliveries.lease import TRACKER_ROWS
from services.workers.fine_tuning.lease import FINE_TUNING_ROWS
from services.workers.interactive.lease import COMPLETION_ROWS
from services.workers.leases.row_kind import RowKind
from services.workers.models.lease import EVALUATION_ROWS
from services.workers.preparing.lease import DATASET_ROWS
from shared import ids
from shared.stores.db.models import Dataset, ModelEvaluation
from shared.stores.db.repositories import datasets
from shared.stores.db.repositories.completion_claims import Checkpoint, claim_completion, hand_back_completions
from shared.stores.db.repositories.completions import NewCompletion, add_completions
from shared.stores.db.repositories.dataset_claims import claim_next_dataset
from shared.stores.db.repositories.fine_tuning_claims import claim_job, hand_back_jobs
from shared.stores.db.repositories.leased_rows import hand_back_rows
from shared.stores.db.repositories.model_claims import claim_work
from shared.stores.db.repositories.tracker_claims import claim_run, hand_back_runs
from shared.stores.db.repositories.tracker_runs import open_tracker_runs
from tests.support.tuning_bench import TuningBench, open_tuning_bench

Claim = Callable[[AsyncSession], Awaitable[Any]]
HandBack = Callable[[AsyncSession, Any], Awaitable[None]]
Case = tuple[str, RowKind[Any, Any], Claim, HandBack]
"""A table with one queued row, its kind, and what claims that row and hands it back."""


@pytest.fixture
async def bench(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[TuningBench]:
    """A worker's context with one project, and nobody outside."""
    async with open_tuning_bench(tmp_path, database_url, redis_url, "http://127.0.0.1:9/v1") as opened:
        yield opened


async def add_text(bench: TuningBench, session: AsyncSession) -> Case:
    """A text."""
    row_id = ids.new_id(ids.STREAM)
    owner = (bench.project_id, bench.api_key_id, ids.new_id(ids.REQUEST))
    await add_completions(session, [NewCompletion(row_id, *owner, 0, "completion", "m", {"prompt": "p"})])
    return (
        "completion",
        COMPLETION_ROWS,
        lambda session: claim_completion(session, row_id, "wrk_1", 10),
        lambda session, claimed: hand_back_completions(session, [Checkpoint(claimed.id, claimed.attempt)]),
    )


async def add_dataset(bench: TuningBench, session: AsyncSession) -> Case:
    """A preparation."""
    await datasets.add_dataset(session, project_id=bench.project_id, api_key_id=bench.api_key_id, request={})
    return (
        "dataset",
        DATASET_ROWS,
        lambda session: claim_next_dataset(session, "wrk_1", 10, most_of_project=1),
        lambda session, claimed: hand_back_rows(session, Dataset, [claimed]),
    )


async def add_evaluation(bench: TuningBench, session: AsyncSession) -> Case:
    """An evaluation."""
    row = ModelEvaluation(
        id=ids.new_id("eval_"),
        file_id=await bench.add_file(b"{}"),
        project_id=bench.project_id,
        api_key_id=bench.api_key_id,
        status="queued",
        model="m",
    )
    row_id = row.id
    session.add(row)
    return (
        "model_evaluation",
        EVALUATION_ROWS,
        lambda session: claim_work(session, ModelEvaluation, row_id, "wrk_1", 10),
        lambda session, claimed: hand_back_rows(session, ModelEvaluation, [claimed]),
    )


async def add_job(bench: TuningBench, _session: AsyncSession) -> Case:
    """A tuning job."""
    job_id = await bench.add()
    return (
        "fine_tuning_job",
        FINE_TUNING_ROWS,
        lambda session: claim_job(session, job_id, "wrk_1", 10),
        lambda session, claimed: hand_back_jobs(session, [claimed]),
    )


async def add_run(bench: TuningBench, session: AsyncSession) -> Case:
    """A run in a tracker."""
    job_id = await bench.add()
    await open_tracker_runs(session, job_id, [], ["tensorboard"])
    return (
        "tracker_run",
        TRACKER_ROWS,
        lambda session: claim_run(session, job_id, "tensorboard", "wrk_1", 10),
        lambda session, claimed: hand_back_runs(session, [claimed]),
    )


@pytest.mark.parametrize("add", [add_text, add_dataset, add_evaluation, add_job, add_run])
async def test_a_lapsed_row_is_claimed_when_the_reaper_has_freed_it_and_one_handed_back_at_once(
    bench: TuningBench, add: Callable[[TuningBench, AsyncSession], Awaitable[Case]]
) -> None:
    database = bench.context.database
    async with database.transaction() as session:
        table, kind, claim, hand_back = await add(bench, session)
    async with database.transaction() as session:
        assert await claim(session)
    async with database.transaction() as session:
        await session.execute(text(f"update {table} set lease_until = now() - interval '1 s'"))
    async with database.transaction() as session:
        assert await claim(session) is None, "its worker may live, and renew"
        await make_due(session, table)
        assert await kind.requeue(session, 10)
    async with database.transaction() as session:
        claimed = await claim(session)
        assert claimed
    async with database.transaction() as session:
        await hand_back(session, claimed)
    async with database.transaction() as session:
        assert await claim(session)


async def make_due(session: AsyncSession, table: str) -> None:
    """Let a row be the reaper's turn now."""
    if table == "tracker_run":
        await session.execute(text("update tracker_run set next_at = now()"))
