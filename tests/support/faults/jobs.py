"""Datasets and fine-tuning jobs."""

import json

from shared.contracts.queue.messages import PrepareDataset, RunFineTuningJob
from shared.stores.db.models import DatasetVersion, FineTuningJob
from shared.stores.db.repositories import datasets
from tests.support.faults.case import Fault, add_rows, add_tuning_job, is_leased, send
from tests.support.faults.mill import FaultMill
from tests.support.tuning_bench import make_rows
from tests.support.upstream import MODEL


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
        return bool(await mill.read("select status from dataset where id = :id", id=mill.ids[self.name]) == "succeeded")

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
        return bool(
            await mill.read("select step from fine_tuning_job where id = :id", id=mill.ids[self.name]) == "done"
        )

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        async with mill.database.transaction() as session:
            job = await session.get_one(FineTuningJob, mill.ids[self.name])
        assert job.status == "succeeded"
        assert len(mill.tuner.bodies) == 1, "a training is never made twice"
        assert await mill.read("select count(*) from model where job_id = :id", id=job.id) == 1
        [attempt] = await mill.attempts([job.id])
        entries = "select count(*) from ledger_entry where attempt_id = :id"
        assert (attempt.outcome, await mill.read(entries, id=attempt.id)) == ("succeeded", 1)
