"""What tests of the fine-tuning worker do and look at: files and jobs as the gateway adds them, runs, rows."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import select, text

from services.workers.fine_tuning.held_job import HeldJob
from services.workers.fine_tuning.running import run_job
from services.workers.fine_tuning.upstream.openai_protocol import OpenAiFineTuning
from services.workers.leases.row_kind import begin_lease
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.outside.providers.configuration import CapacityPrice, Providers
from shared.settings import Settings
from shared.stores.db.models import (
    Attempt,
    FineTuningChange,
    FineTuningEvent,
    FineTuningJob,
    FineTuningMetric,
    LedgerEntry,
    Model,
)
from shared.stores.db.models.base import Base
from shared.stores.db.repositories.api_keys import add_api_key
from shared.stores.db.repositories.files import add_file
from shared.stores.db.repositories.fine_tuning_claims import claim_job
from shared.stores.db.repositories.fine_tuning_jobs import NewJob, add_job, ask_for
from shared.stores.db.repositories.projects import ensure_project

FAST = (("running_poll_seconds", 0.01), ("slowest_poll_seconds", 0.02))
LIMIT_SECONDS = 30.0


def make_rows(count: int = 6, start: int = 0) -> bytes:
    """Return completion rows, each with a prompt of its own."""
    rows = (
        {"prompt": f"唐,第{number}位英雄 ->", "completion": f" 故事{number}。\n"}
        for number in range(start, start + count)
    )
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


@dataclass
class TuningBench:
    """One project at one worker."""

    context: WorkerContext
    project_id: str
    api_key_id: str
    held: dict[str, HeldJob] = field(default_factory=dict)

    def override(self, **values: Any) -> None:
        """Change the provider, or what it can do."""
        provider = self.context.providers.all[0]
        known = {name: values.pop(name) for name in list(values) if not hasattr(provider, name)}
        tuning = tuple({**dict(provider.fine_tuning), **known}.items())
        self.context.providers = Providers((replace(provider, fine_tuning=tuning, **values),))

    async def add_file(self, content: bytes, purpose: str = "fine-tune") -> str:
        """Add a file to the project."""
        stored = await asyncio.to_thread(self.context.objects.put, io.BytesIO(content))
        async with self.context.database.transaction() as session:
            file = await add_file(
                session,
                project_id=self.project_id,
                filename="rows.jsonl",
                purpose=purpose,
                sha256=stored.sha256,
                size=stored.bytes,
            )
            return file.id

    async def add(self, content: bytes | None = None, **values: Any) -> str:
        """Add a job; return its id."""
        training = values.pop("training_file_id", None) or await self.add_file(content or make_rows())
        if "validation" in values:
            values["validation_file_id"] = await self.add_file(values.pop("validation"))
        names = {"model": "base-1", "base_model": "base-1", "provider": self.context.providers.all[0].name}
        order = NewJob(self.project_id, self.api_key_id, training_file_id=training, **{**names, **values})
        async with self.context.database.transaction() as session:
            return (await add_job(session, order)).id

    async def ask(self, job_id: str, wanted: Any) -> None:
        """Ask as a client does; whoever holds the job hears of it, as by the desk."""
        async with self.context.database.transaction() as session:
            await ask_for(session, self.project_id, job_id, wanted, self.api_key_id)

    async def claim(self, job_id: str) -> HeldJob | None:
        """Take a job."""
        lease = begin_lease(self.context)
        async with self.context.database.transaction() as session:
            claimed = await claim_job(session, job_id, lease.worker_id, lease.seconds)
        if claimed is None:
            return None
        provider = OpenAiFineTuning(self.context.providers.all[0])
        self.held[job_id] = HeldJob(self.context, claimed, provider, lease)
        return self.held[job_id]

    async def run(self, job_id: str) -> FineTuningJob:
        """Take a job as far as it goes, and return its row."""
        held = await self.claim(job_id)
        assert held is not None
        async with asyncio.timeout(LIMIT_SECONDS):
            await run_job(held)
        await held.provider.close()
        return await self.row(job_id)

    async def expire(self, job_id: str) -> None:
        """Let the lease and any delay be over, and the job be freed: what time and the reaper would do."""
        async with self.context.database.transaction() as session:
            statement = (
                "update fine_tuning_job set worker_id = null, lease_until = now() - interval '1 s', not_before = null "
                "where id = :id"
            )
            await session.execute(text(statement), {"id": job_id})

    async def row(self, job_id: str) -> FineTuningJob:
        """Return the job's row."""
        async with self.context.database.transaction() as session:
            return (await session.scalars(select(FineTuningJob).where(FineTuningJob.id == job_id))).one()

    async def events(self, job_id: str) -> Sequence[FineTuningEvent]:
        """Return the job's events in order."""
        query = select(FineTuningEvent).where(FineTuningEvent.job_id == job_id).order_by(FineTuningEvent.position)
        return await self._all(query)

    async def changes(self, job_id: str) -> Sequence[FineTuningChange]:
        """Return the job's changes in order."""
        query = select(FineTuningChange).where(FineTuningChange.job_id == job_id).order_by(FineTuningChange.position)
        return await self._all(query)

    async def metrics(self, job_id: str) -> Sequence[FineTuningMetric]:
        """Return the job's metrics in order."""
        query = select(FineTuningMetric).where(FineTuningMetric.job_id == job_id).order_by(FineTuningMetric.step)
        return await self._all(query)

    async def models(self, job_id: str) -> Sequence[Model]:
        """Return the models that the job made."""
        return await self._all(select(Model).where(Model.job_id == job_id))

    async def attempts(self, job_id: str) -> Sequence[Attempt]:
        """Return the job's attempts."""
        return await self._all(select(Attempt).where(Attempt.subject_id == job_id))

    async def ledger(self, job_id: str) -> Sequence[LedgerEntry]:
        """Return the job's entries in the books."""
        return await self._all(select(LedgerEntry).where(LedgerEntry.fine_tuning_job_id == job_id))

    async def read_result(self, job_id: str) -> str:
        """Return the job's result file."""
        from_row = (await self.row(job_id)).result_file_id
        async with self.context.database.transaction() as session:
            sha256 = await session.scalar(text("select sha256 from file where id = :id"), {"id": from_row})
        return b"".join(self.context.objects.read_pieces(str(sha256))).decode()

    async def _all(self, query: Any) -> Sequence[Any]:
        async with self.context.database.transaction() as session:
            rows: Sequence[Base] = (await session.scalars(query)).all()
            return rows


@asynccontextmanager
async def open_tuning_bench(
    folder: Path, database_url: str, redis_url: str, upstream_url: str
) -> AsyncIterator[TuningBench]:
    """Yield a bench whose one provider is at `upstream_url`: asked often, training for a dollar a thousand tokens."""
    settings = Settings.model_validate(
        {
            "database_url": database_url,
            "redis_url": redis_url,
            "upstream_url": upstream_url,
            "object_store_dir": str(folder / "objects"),
        }
    )
    context = await open_context(settings, WorkerSettings())
    async with context.database.transaction() as session:
        project = await ensure_project(session, "tests")
        key = await add_api_key(session, project_id=project.id, name="k", prefix="sm_", key_hash="h", scopes=[])
    bench = TuningBench(context, project.id, key.id)
    bench.override(**dict(FAST), adoption="metadata", capacity_prices=(("*", CapacityPrice(Decimal(1000))),))
    try:
        yield bench
    finally:
        await context.close()
