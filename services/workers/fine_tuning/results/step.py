"""Step `results`: the provider's result file, which may come late, fills the metrics; ours is written from them."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.fine_tuning.failures import MOST_TRIES_OF, NotYetError, is_gone
from services.workers.fine_tuning.held_job import HeldJob, lock_job
from services.workers.fine_tuning.results.result_table import write_result_table
from services.workers.fine_tuning.upstream.metric_names import read_result_metrics
from services.workers.process.object_rows import Stored, write_with_objects
from shared.outside.providers.failures import LlmError
from shared.stores.db.models import FineTuningJob
from shared.stores.db.repositories import files
from shared.stores.db.repositories.fine_tuning_events import NewEvent, append_events
from shared.stores.db.repositories.fine_tuning_metrics import NewMetric, read_metrics, record_metrics
from shared.stores.db.repositories.fine_tuning_steps import enter_step

FILENAME: Final = "compiled_results.csv"
PURPOSE: Final = "fine-tune-results"
LATE: Final = "result_file_late"
PATIENCE_TRIES: Final = MOST_TRIES_OF[LATE] - 1
"""A file that is not there after so many tries is not waited for: what the events said is enough."""


async def fetch_results(held: HeldJob) -> None:
    """Store what the provider's result file says and a table of our own, and go on to `register`.

    Raises: NotYetError while the provider's file is late; LlmError when reading it fails in a way that may pass;
    LostRowError when another has the job or it is over."""
    job = await held.load()
    told = await read_told(held, job)
    async with held.writing() as (session, _):
        await record_metrics(session, job.id, told)
    await store_table(held)


async def read_told(held: HeldJob, job: FineTuningJob) -> list[NewMetric]:
    """Return what the provider's result file says; nothing where it has none. Raises: NotYetError while it is late."""
    if not held.provider.capabilities.result_files:
        return []
    is_patient = job.tries < PATIENCE_TRIES
    assert job.upstream_job_id is not None
    try:
        names = job.upstream_result_files or list((await held.provider.get_job(job.upstream_job_id)).result_files)
        for name in names:
            told = await asyncio.to_thread(read_result_metrics, await held.provider.read_file(name))
            if told is not None:
                return told
    except LlmError as error:
        if not is_gone(error) and error.failure_class.retryable:
            raise
    if is_patient:
        raise NotYetError(LATE, "The provider's result file is not there yet.")
    return []


async def store_table(held: HeldJob) -> None:
    """Write our result file and go on to the next step, in one transaction."""
    async with held.context.database.transaction() as session:
        metrics = await read_metrics(session, held.id)

    async def write(session: AsyncSession, stored: Stored) -> None:
        job = await lock_job(session, held.claimed)
        if job.step != "results":
            return  # an earlier try was committed, and we were not told
        table = stored[FILENAME]
        file = await files.add_file(
            session,
            project_id=job.project_id,
            filename=FILENAME,
            purpose=PURPOSE,
            sha256=table.sha256,
            size=table.bytes,
        )
        await enter_step(session, job, "register", result_file_id=file.id)
        event = NewEvent(f"Uploaded result file: {file.id}", data={"code": "result_file", "file_id": file.id})
        await append_events(session, job.id, [event])

    with TemporaryDirectory(prefix="storymill-results-") as name:
        path = Path(name) / FILENAME
        await asyncio.to_thread(lambda: path.write_bytes(write_result_table(metrics)))
        await write_with_objects(held.context, {FILENAME: path}, write)
