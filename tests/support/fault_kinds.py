"""Every job kind as the faults see it: how one is submitted, whether a worker holds it, when it is over, what must be
true then. A new kind is a class here and a line in KINDS."""

import asyncio
import io
import json
from dataclasses import dataclass
from typing import Protocol

import psycopg

from shared.contracts.queue.messages import (
    CompareModels,
    DeliverOutbox,
    EvaluateModel,
    ExpandGeneration,
    Message,
    PrepareDataset,
    RemoveModel,
    RunFineTuningJob,
    TellTracker,
)
from shared.stores.db.models import DatasetVersion, FineTuningJob, Model, ModelComparison, ModelEvaluation
from shared.stores.db.repositories import comparisons, datasets, webhook_endpoints
from shared.stores.db.repositories.evaluations import queue_evaluations
from shared.stores.db.repositories.files import add_file
from shared.stores.db.repositories.fine_tuning_jobs import NewJob, add_job
from shared.stores.db.repositories.outbox import add_webhook_events
from shared.stores.db.repositories.registry import NewModel, mark_deleted, register_model
from tests.support.fault_mill import EXPANDED_ROWS, FaultMill
from tests.support.tracked_job import TrackedJob
from tests.support.tuning_bench import make_rows
from tests.support.upstream import MODEL
from tests.support.upstream_script import story_for

STORIES = 6
STEPS = 5
SECRET = "whsec_" + "A" * 32
EVENT = "fine_tuning.job.succeeded"


@dataclass(frozen=True)
class Fault:
    """What may happen to paid calls."""

    name: str
    repeats: bool
    """Another worker takes the rows over: what was in flight may be asked for once more."""


class KindCase(Protocol):
    """One job kind."""

    name: str
    is_patient: bool
    """Whether it waits for an outside party for as long as the others take to be held; if not, it is submitted last."""

    async def submit(self, mill: FaultMill) -> None:
        """Queue one."""

    async def is_held(self, mill: FaultMill) -> bool:
        """Say whether a worker is in the middle of it."""

    async def is_over(self, mill: FaultMill) -> bool:
        """Say whether it has ended."""

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        """Assert that it ended once, rightly, and paid for no more than the fault allows."""


async def send(mill: FaultMill, message: Message) -> None:
    """Send a message as the gateway does."""
    assert await mill.interactive.sender.send(message)


async def add_rows(mill: FaultMill, content: bytes) -> str:
    """Add a training file to the project."""
    stored = await asyncio.to_thread(mill.objects.put, io.BytesIO(content))
    async with mill.database.transaction() as session:
        file = await add_file(
            session,
            project_id=mill.interactive.project_id,
            filename="rows.jsonl",
            purpose="fine-tune",
            sha256=stored.sha256,
            size=stored.bytes,
        )
        return file.id


async def add_tuning_job(mill: FaultMill, content: bytes, **values: object) -> str:
    """Add a fine-tuning job of the scripted provider."""
    names = {"model": "base-1", "base_model": "base-1", "provider": "tuner"}
    new = NewJob(
        mill.interactive.project_id,
        mill.interactive.api_key_id,
        training_file_id=await add_rows(mill, content),
        **names,
    )
    async with mill.database.transaction() as session:
        job = await add_job(session, new)
        for name, value in values.items():
            setattr(job, name, value)
        return job.id


async def is_leased(mill: FaultMill, table: str, row_id: str) -> bool:
    """Say whether a worker's lease on a row runs."""
    statement = f"select worker_id is not null and lease_until > now() from {table} where id = :id"
    return bool(await mill.read(statement, id=row_id))


def assert_count(count: int, wanted: int, fault: Fault, in_flight: int) -> None:
    """Assert that the provider was asked so often, and after a fault that repeats at most `in_flight` times more."""
    assert wanted <= count <= wanted + (in_flight if fault.repeats else 0)


class Completion:
    name = "completion"
    is_patient = True
    marker = "completion of a text"

    async def submit(self, mill: FaultMill) -> None:
        [mill.ids[self.name]] = await mill.interactive.submit(self.marker, max_tokens=200)

    async def is_held(self, mill: FaultMill) -> bool:
        return await is_leased(mill, "completion", mill.ids[self.name]) and bool(mill.find_calls(self.marker))

    async def is_over(self, mill: FaultMill) -> bool:
        row = await mill.interactive.row(mill.ids[self.name])
        calls = await mill.attempts([row.id])
        return row.status == "succeeded" and row.end_published and all(call.outcome != "sent" for call in calls)

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        row = await mill.interactive.row(mill.ids[self.name])
        assert (row.status, row.text) == ("succeeded", story_for({"prompt": self.marker}))
        assert row.attempt == (2 if fault.repeats else 1)
        await mill.interactive.assert_stream_equals_row(row)
        assert_count(len(mill.find_calls(self.marker)), 1, fault, in_flight=1)
        await mill.assert_books_agree([row.id], self.marker)


class Generation:
    name = "generation"
    is_patient = True
    marker = "第"

    async def submit(self, mill: FaultMill) -> None:
        mill.ids[self.name] = await mill.volume.submit(STORIES)

    async def is_held(self, mill: FaultMill) -> bool:
        return (
            len(mill.find_calls(self.marker))
            == STORIES
            == await mill.volume.count_stories(mill.ids[self.name], "running")
        )

    async def is_over(self, mill: FaultMill) -> bool:
        run_id = mill.ids[self.name]
        is_settled = all(attempt.outcome != "sent" for attempt in await mill.volume.attempts(run_id))
        return (await mill.volume.run(run_id)).status == "succeeded" and is_settled

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        stories = await mill.volume.stories(mill.ids[self.name])
        assert len({story.text for story in stories}) == STORIES
        assert {story.status for story in stories} == {"succeeded"}
        assert_count(len(mill.find_calls(self.marker)), STORIES, fault, in_flight=STORIES)
        await mill.volume.assert_counters_exact(mill.ids[self.name])
        await mill.assert_books_agree([story.id for story in stories], self.marker)


class Expansion:
    name = "expansion"
    is_patient = True

    async def submit(self, mill: FaultMill) -> None:
        """Its run's row is locked here: the worker waits in the middle of a chunk until the gate opens."""
        grid = {"word": ["expansion"], "number": {"range": [1, EXPANDED_ROWS]}}
        run_id = await mill.volume.add(
            EXPANDED_ROWS,
            template="{{ word }} {{ number }}",
            attributes=grid,
            expanded=False,
            requests_per_minute=1,
        )
        mill.ids[self.name] = run_id
        mill.expansion = await psycopg.AsyncConnection.connect(mill.database_url)
        await mill.expansion.execute("select 1 from generation where id = %s for no key update", [run_id])
        await send(mill, ExpandGeneration(run_id))

    async def is_held(self, mill: FaultMill) -> bool:
        statement = (
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%set expanded%'"
        )
        return bool(await mill.read(statement))

    async def is_over(self, mill: FaultMill) -> bool:
        return (await mill.volume.run(mill.ids[self.name])).expanded == EXPANDED_ROWS

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        run_id = mill.ids[self.name]
        statement = "select count(*) || ' ' || count(distinct position) from story where generation_id = :id"
        assert await mill.read(statement, id=run_id) == f"{EXPANDED_ROWS} {EXPANDED_ROWS}"
        assert len(mill.find_calls("expansion")) <= 2, "one a minute"


class Dataset:
    name = "dataset"
    is_patient = False

    async def submit(self, mill: FaultMill) -> None:
        """It waits for the model's tokenizer, which the provider does not give out before the gate opens."""
        content = b"".join(
            json.dumps({"prompt": f"dataset {n} ->", "completion": f" told {n}."}).encode() + b"\n" for n in range(40)
        )
        request = {
            **{"sources": [{"file": await add_rows(mill, content)}], "format": None, "validation_share": 0.1},
            **{"seed": 0, "stratify": None, "model": MODEL, "prompt": "attributes", "pairs_per_story": 16},
            **{"attribute_separator": ",", "system": None, "apply": [], "skip": []},
        }
        owner = {"project_id": mill.interactive.project_id, "api_key_id": mill.interactive.api_key_id}
        async with mill.database.transaction() as session:
            dataset = await datasets.add_dataset(session, **owner, request=request)
        mill.ids[self.name] = dataset.id
        await send(mill, PrepareDataset(dataset.id))

    async def is_held(self, mill: FaultMill) -> bool:
        has_asked = any("tokenizer" in request for request in mill.upstream.model_requests)
        return has_asked and await is_leased(mill, "dataset", mill.ids[self.name])

    async def is_over(self, mill: FaultMill) -> bool:
        return await mill.read("select status from dataset where id = :id", id=mill.ids[self.name]) == "succeeded"

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        attempt = await mill.read("select attempt from dataset where id = :id", id=mill.ids[self.name])
        assert attempt == (2 if fault.repeats else 1)
        version_id = await mill.read("select version_id from dataset where id = :id", id=mill.ids[self.name])
        assert await mill.read("select count(*) from dataset_version") == 1
        async with mill.database.transaction() as session:
            version = await session.get_one(DatasetVersion, version_id)
        rows = await mill.read("select count(*) from dataset_row where version_id = :id", id=version_id)
        assert rows == version.train_rows + version.validation_rows == 40


class FineTuning:
    name = "fine_tuning_job"
    is_patient = True

    async def submit(self, mill: FaultMill) -> None:
        mill.ids[self.name] = await add_tuning_job(mill, make_rows())
        await send(mill, RunFineTuningJob(mill.ids[self.name]))

    async def is_held(self, mill: FaultMill) -> bool:
        step = await mill.read("select step from fine_tuning_job where id = :id", id=mill.ids[self.name])
        return step == "follow" and await is_leased(mill, "fine_tuning_job", mill.ids[self.name])

    async def is_over(self, mill: FaultMill) -> bool:
        return await mill.read("select step from fine_tuning_job where id = :id", id=mill.ids[self.name]) == "done"

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        async with mill.database.transaction() as session:
            job = await session.get_one(FineTuningJob, mill.ids[self.name])
        assert job.status == "succeeded"
        assert len(mill.tuner.bodies) == 1, "a training is never made twice"
        assert await mill.read("select count(*) from model where job_id = :id", id=job.id) == 1
        [attempt] = await mill.attempts([job.id])
        entries = "select count(*) from ledger_entry where attempt_id = :id"
        assert (attempt.outcome, await mill.read(entries, id=attempt.id)) == ("succeeded", 1)


class Evaluation:
    name = "evaluation"
    is_patient = True
    marker = "evaluation"

    async def submit(self, mill: FaultMill) -> None:
        content = b"".join(
            json.dumps({"prompt": f"evaluation {n} ->", "completion": " abc."}).encode() + b"\n" for n in range(3)
        )
        owner = (mill.interactive.project_id, mill.interactive.api_key_id)
        file_id = await add_rows(mill, content)
        async with mill.database.transaction() as session:
            [mill.ids[self.name]] = await queue_evaluations(session, *owner, [(MODEL, file_id)])
        await send(mill, EvaluateModel(mill.ids[self.name]))

    async def is_held(self, mill: FaultMill) -> bool:
        return bool(mill.find_calls(self.marker)) and await is_leased(mill, "model_evaluation", mill.ids[self.name])

    async def is_over(self, mill: FaultMill) -> bool:
        statement = "select status from model_evaluation where id = :id"
        return await mill.read(statement, id=mill.ids[self.name]) == "succeeded"

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        async with mill.database.transaction() as session:
            row = await session.get_one(ModelEvaluation, mill.ids[self.name])
        assert (row.rows, row.tokens, row.loss) == (3, 15, 0.5)
        assert row.attempt == (2 if fault.repeats else 1)
        assert_count(len(mill.find_calls(self.marker)), 3, fault, in_flight=1)
        await mill.assert_books_agree([row.id], self.marker)


class Comparison:
    name = "comparison"
    is_patient = True
    marker = "comparison"

    async def submit(self, mill: FaultMill) -> None:
        request = {
            **{"format": "completion", "against_format": "completion", "prompts_against": [self.marker]},
            **{
                "parameters": {"max_tokens": 5},
                "judge": {"model": MODEL, "format": "chat"},
                "file_id": None,
                "seed": 0,
            },
        }
        owner = {"project_id": mill.interactive.project_id, "api_key_id": mill.interactive.api_key_id}
        async with mill.database.transaction() as session:
            row = await comparisons.add_comparison(
                session, **owner, model=MODEL, against=MODEL, prompts=[self.marker], request=request
            )
        mill.ids[self.name] = row.id
        await send(mill, CompareModels(row.id))

    async def is_held(self, mill: FaultMill) -> bool:
        return len(mill.find_calls(self.marker)) == 2 and await is_leased(mill, "model_comparison", mill.ids[self.name])

    async def is_over(self, mill: FaultMill) -> bool:
        statement = "select status from model_comparison where id = :id"
        return await mill.read(statement, id=mill.ids[self.name]) == "succeeded"

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        async with mill.database.transaction() as session:
            row = await session.get_one(ModelComparison, mill.ids[self.name])
        assert row.result is not None
        assert (row.result["pairs"], row.result["ties"]) == (1, 1)
        assert row.attempt == (2 if fault.repeats else 1)
        assert_count(len(mill.find_calls(self.marker)), 4, fault, in_flight=2)
        await mill.assert_books_agree([row.id], self.marker)


class Removal:
    name = "model_removal"
    is_patient = False
    model = "ft:removed"

    async def submit(self, mill: FaultMill) -> None:
        job_id = await add_tuning_job(mill, make_rows(start=100), status="succeeded", step="done")
        new = NewModel(
            project_id=mill.interactive.project_id,
            name=self.model,
            provider="upstream",
            base_model=MODEL,
            job_id=job_id,
        )
        async with mill.database.transaction() as session:
            model = await register_model(session, new)
            await mark_deleted(session, model)
        mill.ids[self.name] = model.id
        await send(mill, RemoveModel(model.id))

    def count(self, mill: FaultMill) -> int:
        """Return how often the provider was asked."""
        return sum(request.startswith("DELETE") for request in mill.upstream.model_requests)

    async def is_held(self, mill: FaultMill) -> bool:
        statement = "select removal_due_at > now() from model where id = :id"
        return self.count(mill) == 1 and bool(await mill.read(statement, id=mill.ids[self.name]))

    async def is_over(self, mill: FaultMill) -> bool:
        return await mill.read("select removal_due_at is null from model where id = :id", id=mill.ids[self.name])

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        async with mill.database.transaction() as session:
            assert (await session.get_one(Model, mill.ids[self.name])).deleted_at is not None
        assert_count(self.count(mill), 1, fault, in_flight=1)


class Webhook:
    name = "webhook"
    is_patient = False

    async def submit(self, mill: FaultMill) -> None:
        owner = mill.interactive.project_id
        async with mill.database.transaction() as session:
            await webhook_endpoints.add_endpoint(
                session, project_id=owner, name="n", url=mill.receiver.url, event_types=[EVENT], secret=SECRET
            )
            event_id = await add_webhook_events(session, owner, EVENT, {"id": "ftjob-told"})
        assert event_id is not None
        mill.ids[self.name] = event_id
        await send(mill, DeliverOutbox())

    def count(self, mill: FaultMill) -> int:
        """Return how often the event came."""
        return sum(received.id == mill.ids[self.name] for received in mill.receiver.received)

    async def is_held(self, mill: FaultMill) -> bool:
        statement = "select tries = 1 and next_at > now() from outbox where event_id = :id"
        return self.count(mill) == 1 and bool(await mill.read(statement, id=mill.ids[self.name]))

    async def is_over(self, mill: FaultMill) -> bool:
        return await mill.read("select status from outbox where event_id = :id", id=mill.ids[self.name]) == "delivered"

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        assert await mill.read("select tries from outbox where event_id = :id", id=mill.ids[self.name]) == (
            2 if fault.repeats else 1
        )
        assert_count(self.count(mill), 1, fault, in_flight=1)


class Tracker:
    name = "tracker"
    is_patient = True
    sink = "tensorboard"

    async def submit(self, mill: FaultMill) -> None:
        job = await TrackedJob.add(mill.database, {"type": self.sink, self.sink: {}})
        # Nobody carries this job out: it is only told of.
        await mill.read("update fine_tuning_job set step = 'done' where id = :id returning 1", id=job.id)
        await job.measure(1, STEPS)
        mill.ids[self.name] = job.id
        await send(mill, TellTracker(job.id, self.sink))

    async def is_held(self, mill: FaultMill) -> bool:
        statement = "select lease_until > now() and run_ref is not null from tracker_run where job_id = :id"
        return bool(await mill.read(statement, id=mill.ids[self.name]))

    async def is_over(self, mill: FaultMill) -> bool:
        """The job that is told of ends once the fault has struck."""
        if mill.gate.is_set() and "tracker_ended" not in mill.ids:
            job = TrackedJob(mill.database, mill.ids[self.name])
            await job.measure(STEPS + 1, 2 * STEPS)
            await job.end()
            mill.ids["tracker_ended"] = job.id
        return (
            await mill.read("select status from tracker_run where job_id = :id", id=mill.ids[self.name]) == "complete"
        )

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        run = await TrackedJob(mill.database, mill.ids[self.name]).run(self.sink)
        assert run.told_step == 2 * STEPS
        assert len(list((mill.folder / "trackers" / self.sink).iterdir())) == 1, "one run there, whoever told it"


KINDS: tuple[KindCase, ...] = (
    Completion(),
    Generation(),
    Expansion(),
    Dataset(),
    FineTuning(),
    Evaluation(),
    Comparison(),
    Removal(),
    Webhook(),
    Tracker(),
)
