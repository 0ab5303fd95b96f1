"""What every request and every round of the reaper asks goes by an index: it costs the same after a million rows."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import orjson
import pytest
import pytest_asyncio
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.generation.lease import DEATH_LIMIT
from shared.settings import Settings
from shared.stores.db.models import Dataset, FineTuningJob, Generation, Model, ModelComparison, ModelEvaluation
from shared.stores.db.repositories import (
    aliases,
    api_keys,
    attempts,
    batch_claims,
    batches,
    completion_claims,
    completions,
    dataset_claims,
    dataset_versions,
    delivery_claims,
    evaluations,
    files,
    fine_tuning_checkpoints,
    fine_tuning_claims,
    fine_tuning_jobs,
    generation_progress,
    generations,
    idempotency,
    leased_rows,
    model_costs,
    near_texts,
    outbox,
    pilots,
    reaping,
    registry,
    removal_claims,
    stories,
    story_claims,
    tracker_claims,
    uploads,
)
from shared.stores.db.repositories.pages import Page
from shared.stores.db.session import Database
from tests.support.filled_tables import KEY, PROJECT, SMALL_TABLES, fill_tables
from tests.support.stack import PrivatePostgres

Ask = Callable[[AsyncSession], Awaitable[Any]]

MOST_COST = 150.0
"""In Postgres' units. A look-up costs a few, a round of the reaper some dozens, an index read whole hundreds."""
TIMES = {"row_limit": 100, "delivery_seconds": 5, "redelivery_seconds": 30}
ROW = "000777"
NEW_TEXT = completions.NewCompletion("str_new", PROJECT, KEY, "req_new", 0, "chat", "m", {})
JOB, FILE, STORY, RUN = f"ftjob-{ROW}", f"file_{ROW}", f"sty_{ROW}", f"gen_{ROW}"


async def ask_waiting_before(session: AsyncSession) -> int:
    """Count the jobs before one that waits."""
    job = await session.get_one(FineTuningJob, "ftjob-004000")
    return await fine_tuning_jobs.count_waiting_before(session, job)


async def ask_line(session: AsyncSession) -> None:
    """Ask for the forgetting matrix, the cost and the children of a model."""
    model = await session.get_one(Model, "mdl_000001")
    await evaluations.list_evaluations(session, PROJECT, evaluations.list_cells([model]))
    await model_costs.sum_training(session, [model])
    await registry.find_open_child_job(session, model.id)


async def ask_seen(session: AsyncSession, pilot: int | None) -> None:
    """Ask what the stories of a run took, or those of its pilot."""
    run = await session.get_one(Generation, RUN)
    with session.no_autoflush:
        run.pilot = pilot
        await pilots.measure_seen(session, run)


async def ask_near_texts(session: AsyncSession) -> None:
    """Look for near texts as a settlement does, for two of its own."""
    await near_texts.lock_near_texts(session, RUN)
    await near_texts.find_candidates(session, RUN, range(42))


ASKED: dict[str, Ask] = {
    "key of a request": lambda s: api_keys.find_active_key(s, "nobody's"),
    "idempotency key": lambda s: idempotency.claim_key(s, PROJECT, ROW, "hash"),
    "young idempotency key": lambda s: idempotency.lock_young_key(s, PROJECT, ROW),
    "alias, then model": lambda s: registry.resolve_name(s, PROJECT, "m", 0.5),
    "aliases of a model": lambda s: aliases.list_aliases_of(s, PROJECT, "m"),
    "model by name": lambda s: registry.find_model(s, PROJECT, f"ft:{ROW}"),
    "whose a base model is": lambda s: registry.is_foreign(s, "proj_other", "m"),
    "whose listed models are": lambda s: registry.list_foreign(s, "proj_other", [f"ft:{ROW}", "m"]),
    "checkpoint by name": lambda s: fine_tuning_checkpoints.has_checkpoint(s, PROJECT, f"ft:{ROW}:ckpt"),
    "model's line": ask_line,
    "turn to open a text": lambda s: completions.take_turn_to_add(s, PROJECT, 1, 512),
    "open texts": lambda s: completions.add_completions(s, [NEW_TEXT], most_open=512),
    "text": lambda s: completions.find_completion(s, PROJECT, f"str_{ROW}"),
    "texts of a request": lambda s: completions.list_completions(s, f"req_{ROW}"),
    "cancel of texts": lambda s: completions.request_cancel(s, PROJECT, [f"str_{ROW}"]),
    "claim of a text": lambda s: completion_claims.claim_completion(s, f"str_{ROW}", "w", 10),
    "lease of texts": lambda s: completion_claims.renew_completions(
        s, "w", [completion_claims.Checkpoint(f"str_{ROW}", 1)], 10
    ),
    "run": lambda s: generations.find_generation(s, PROJECT, RUN),
    "page of runs": lambda s: generations.list_generations(s, PROJECT, Page(20)),
    "order of a run": lambda s: generation_progress.find_work_order(s, RUN),
    "batch": lambda s: batches.find_batch(s, PROJECT, f"batch_{ROW}"),
    "page of batches": lambda s: batches.list_batches(s, PROJECT, Page(20)),
    "batch of a file": lambda s: batches.find_open_batch_of_file(s, FILE),
    "claim of a batch": lambda s: batch_claims.claim_batch(s, f"batch_{ROW}", "w", 10),
    "hold of a run": lambda s: generation_progress.hold_generations(s, {RUN: None}),
    "queued stories": lambda s: story_claims.lock_queued_stories(s, RUN, 50),
    "next due story": lambda s: story_claims.find_next_due_seconds(s, RUN),
    "queued stories of a pilot": lambda s: story_claims.lock_queued_stories(s, RUN, 50, of_pilot=True),
    "next due story of a pilot": lambda s: story_claims.find_next_due_seconds(s, RUN, of_pilot=True),
    "end of a pilot": lambda s: pilots.end_pilot(s, RUN),
    "costs of a run's first stories": lambda s: ask_seen(s, None),
    "costs of a pilot's stories": lambda s: ask_seen(s, 20),
    "cut texts of stories": lambda s: attempts.find_cut(s, [STORY]),
    "near texts of a run": ask_near_texts,
    "lease of stories": lambda s: story_claims.renew_story_leases(s, [story_claims.TakenStory(STORY, 1)], 10),
    "story": lambda s: stories.find_story(s, PROJECT, STORY),
    "page of stories": lambda s: stories.list_stories(s, PROJECT, stories.StoryFilter(), Page(20)),
    "stories of a run": lambda s: stories.list_stories(s, PROJECT, stories.StoryFilter(RUN), Page(20)),
    "datasets of a story": lambda s: dataset_versions.list_datasets_of_story(s, STORY),
    "version of a file": lambda s: dataset_versions.find_version_of_file(s, PROJECT, FILE),
    "dataset of a file": lambda s: files.find_dataset_of_file(s, FILE),
    "job of a file": lambda s: files.find_job_of_file(s, FILE),
    "name of an object": lambda s: files.is_named(s, "0" * 64),
    "names of objects": lambda s: files.find_named(s, ["0" * 64]),
    "job": lambda s: fine_tuning_jobs.find_job(s, PROJECT, JOB),
    "jobs waiting before": ask_waiting_before,
    "marks of jobs": lambda s: fine_tuning_jobs.find_marks(s, [JOB]),
    "claim of a job": lambda s: fine_tuning_claims.claim_job(s, JOB, "w", 10),
    "claim of a dataset": lambda s: dataset_claims.claim_next_dataset(s, "w", 10, most_of_project=1),
    "due deliveries": lambda s: delivery_claims.claim_deliveries(
        s, row_limit=10, endpoint_limit=5, busy=[], lease_seconds=10
    ),
    "any due delivery": outbox.is_any_due,
    "reaper: stories": lambda s: reaping.requeue_lapsed_stories(s, DEATH_LIMIT),
    "reaper: texts": reaping.requeue_undelivered_completions,
    "reaper: runs": lambda s: reaping.take_unheld_generations(s, 10),
    "reaper: cancelled runs": reaping.cancel_stories_of_cancelled_runs,
    "reaper: lost calls": lambda s: reaping.lock_lost_attempts(s, 10),
    "reaper: ends": reaping.find_missing_ends,
    "reaper: idempotency keys": lambda s: reaping.delete_old_idempotency_keys(s, older_than_hours=24),
    "reaper: datasets": lambda s: leased_rows.requeue_undelivered_rows(s, Dataset, **TIMES),
    "reaper: batches": lambda s: batch_claims.requeue_ready_batches(s, **TIMES),
    "reaper: jobs": lambda s: fine_tuning_claims.requeue_undelivered_jobs(s, **TIMES),
    "reaper: evaluations": lambda s: leased_rows.requeue_undelivered_rows(s, ModelEvaluation, **TIMES),
    "reaper: comparisons": lambda s: leased_rows.requeue_undelivered_rows(s, ModelComparison, **TIMES),
    "reaper: removals": lambda s: removal_claims.list_owed_removals(s, delay_seconds=5),
    "reaper: uploads": lambda s: uploads.lock_overdue_uploads(s, 100),
    "reaper: trackers": lambda s: tracker_claims.take_due_runs(s, 100),
}


@pytest.fixture(scope="module")
def filled_url(postgres_server: PrivatePostgres) -> Iterator[str]:
    """A database with many rows in every table that grows."""
    name = postgres_server.create_database()
    fill_tables(postgres_server.database_url(name))
    yield postgres_server.database_url(name)
    postgres_server.drop_database(name)


@pytest_asyncio.fixture
async def database(filled_url: str) -> AsyncIterator[Database]:
    """The pool of a process, with the planner settings of ours."""
    opened = Database(Settings.model_validate({"database_url": filled_url}))
    yield opened
    await opened.close()


async def record_statements(database: Database, session: AsyncSession, ask: Ask) -> list[tuple[str, Any]]:
    """Return the statements, with their values, that a repository function sends."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        sent.append((statement, values[0] if many else values))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        await ask(session)
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)
    return sent


def find_scans(plan: Any) -> Iterator[str]:
    """Yield the growing tables that a plan reads whole."""
    if plan["Node Type"] == "Seq Scan" and plan["Relation Name"] not in SMALL_TABLES:
        yield plan["Relation Name"]
    for child in plan.get("Plans", ()):
        yield from find_scans(child)


@pytest.mark.parametrize("asked", ASKED)
async def test_no_table_that_grows_is_read_whole_nor_an_index_of_it(database: Database, asked: str) -> None:
    async with database.engine.connect() as connection, AsyncSession(bind=connection) as session:
        for statement, values in await record_statements(database, session, ASKED[asked]):
            explained = await connection.exec_driver_sql(f"explain (format json) {statement}", values)
            plan = explained.scalar_one()[0]["Plan"]
            shown = f"{statement}\n{orjson.dumps(plan, option=orjson.OPT_INDENT_2).decode()}"
            assert list(find_scans(plan)) == [], shown
            assert plan["Total Cost"] < MOST_COST, shown
        await session.rollback()


async def test_the_check_sees_a_table_that_is_read_whole(database: Database) -> None:
    async with database.engine.connect() as connection:
        explained = await connection.execute(text("explain (format json) select 1 from story where model = 'm'"))
        assert list(find_scans(explained.scalar_one()[0]["Plan"])) == ["story"]
