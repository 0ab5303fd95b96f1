"""A fine-tuning job as its worker writes it, for tests of what is told of it: row, metrics, end."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from shared import ids
from shared.clock import utc_now
from shared.stores.db.models import FineTuningJob, FineTuningMetric, TrackerRun
from shared.stores.db.repositories import files
from shared.stores.db.repositories.api_keys import add_api_key
from shared.stores.db.repositories.fine_tuning_jobs import NewJob, add_job
from shared.stores.db.repositories.projects import ensure_project
from shared.stores.db.repositories.tracker_runs import open_tracker_runs
from shared.stores.db.session import Database


def loss_at(step: int) -> float:
    """Return the scripted training loss of a step."""
    return 2.0 / step


@dataclass
class TrackedJob:
    """One job and its tracker runs."""

    database: Database
    id: str

    @classmethod
    async def add(
        cls, database: Database, *integrations: dict[str, Any], defaults: tuple[str, ...] = ()
    ) -> "TrackedJob":
        """Insert a running job that is to be told to trackers."""
        async with database.transaction() as session:
            project = await ensure_project(session, "default")
            key = await add_api_key(
                session, project_id=project.id, name="k", key_hash=ids.new_id(""), prefix="sm_", scopes=["write"]
            )
            file = await files.add_file(
                session, project_id=project.id, filename="t.jsonl", purpose="fine-tune", sha256="0" * 64, size=1
            )
            job = await add_job(
                session,
                NewJob(
                    project_id=project.id,
                    api_key_id=key.id,
                    model="curie",
                    base_model="curie",
                    provider="upstream",
                    training_file_id=file.id,
                    integrations=list(integrations),
                ),
            )
            await open_tracker_runs(session, job.id, integrations, defaults)
        return cls(database, job.id)

    async def measure(self, first: int, last: int, *, recorded_at: datetime | None = None, **extra: float) -> None:
        """Record the metrics of steps."""
        rows = [
            {
                "job_id": self.id,
                "step": step,
                "train_loss": loss_at(step),
                "recorded_at": recorded_at or utc_now(),
                **extra,
            }
            for step in range(first, last + 1)
        ]
        async with self.database.transaction() as session:
            await session.execute(insert(FineTuningMetric), rows)

    async def fill_in(self, step: int, **values: float) -> None:
        """Record values of a step that came after it."""
        async with self.database.transaction() as session:
            await session.execute(
                update(FineTuningMetric)
                .where(FineTuningMetric.job_id == self.id, FineTuningMetric.step == step)
                .values(**values)
            )

    async def end(self, status: str = "succeeded") -> None:
        """End the job."""
        async with self.database.transaction() as session:
            await session.execute(
                update(FineTuningJob)
                .where(FineTuningJob.id == self.id)
                .values(status=status, step="done", finished_at=utc_now(), fine_tuned_model="ft:curie:x")
            )

    async def run(self, sink: str) -> TrackerRun:
        """Return the run in a tracker."""
        async with self.database.transaction() as session:
            query = select(TrackerRun).where(TrackerRun.job_id == self.id, TrackerRun.sink == sink)
            return (await session.scalars(query)).one()

    async def lapse(self, sink: str) -> None:
        """Let the lease lapse and the run be due, as time does."""
        async with self.database.transaction() as session:
            await session.execute(
                update(TrackerRun)
                .where(TrackerRun.job_id == self.id, TrackerRun.sink == sink)
                .values(lease_until=None, next_at=utc_now())
            )
