"""Evaluations, comparisons, and models removed at their provider."""

import json

from shared.contracts.queue.messages import CompareModels, EvaluateModel, RemoveModel
from shared.stores.db.models import Model, ModelComparison, ModelEvaluation
from shared.stores.db.repositories import comparisons
from shared.stores.db.repositories.evaluations import queue_evaluations
from shared.stores.db.repositories.registry import NewModel, mark_deleted, register_model
from tests.support.faults.case import Fault, add_rows, add_tuning_job, assert_count, is_leased, send
from tests.support.faults.mill import FaultMill
from tests.support.tuning_bench import make_rows
from tests.support.upstream import MODEL


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
        return bool(await mill.read(statement, id=mill.ids[self.name]) == "succeeded")

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
        return bool(await mill.read(statement, id=mill.ids[self.name]) == "succeeded")

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
        return bool(await mill.read("select removal_due_at is null from model where id = :id", id=mill.ids[self.name]))

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        async with mill.database.transaction() as session:
            assert (await session.get_one(Model, mill.ids[self.name])).deleted_at is not None
        assert_count(self.count(mill), 1, fault, in_flight=1)
